{
  # core/ never includes napi.h, so that it can be tested and sanitized without Node; node/ is the
  # only side that knows JavaScript exists.
  'target_defaults': {
    # Node's own settings ask for gnu++17 and would win.
    'cflags_cc!': ['-std=gnu++17'],
    'cflags_cc': ['-std=c++20', '-Wall', '-Wextra', '-Werror', '-fvisibility=hidden'],
    'include_dirs': ['.'],
  },
  'targets': [
    {
      'target_name': 'core',
      'type': 'static_library',
      'sources': [
        'core/acting_as.cc',
        'core/background_sync.cc',
        'core/chunk_stage.cc',
        'core/crc32c.cc',
        'core/creator.cc',
        'core/descriptors.cc',
        'core/directory_listing.cc',
        'core/extended_attributes.cc',
        'core/file_attributes.cc',
        'core/file_data.cc',
        'core/file_flags.cc',
        'core/file_handles.cc',
        'core/file_names.cc',
        'core/fuse_device.cc',
        'core/fusermount.cc',
        'core/guards.cc',
        'core/mounts.cc',
        'core/name.cc',
        'core/notifier.cc',
        'core/open_handles.cc',
        'core/page_buffer.cc',
        'core/read_plan.cc',
        'core/service_thread.cc',
        'core/session.cc',
        'core/sync_pool.cc',
      ],
    },
    {
      'target_name': 'bygone_native',
      'dependencies': ['core'],
      'sources': [
        'node/addon.cc',
        'node/background_sync_object.cc',
        'node/chunk_stage_object.cc',
        'node/file_functions.cc',
        'node/guards_object.cc',
        'node/mount_sync.cc',
        'node/process_functions.cc',
        'node/session_object.cc',
      ],
      'include_dirs': ["<!(node -p \"require('node-addon-api').include_dir\")"],
      'defines': ['NAPI_VERSION=9', 'NAPI_DISABLE_CPP_EXCEPTIONS', 'NODE_ADDON_API_DISABLE_DEPRECATED'],
    },
  ],
}
