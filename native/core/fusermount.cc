#include "core/fusermount.h"

#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string_view>
#include <vector>

#include "core/unique_fd.h"

namespace bygone {
namespace {

constexpr std::string_view kSocketVariable = "_FUSE_COMMFD=";
constexpr size_t kMessageBytesMax = 4096;

// This process's environment with the socket's number in it. Borrows from the two.
std::vector<char*> EnvironmentWith(std::string& socket_setting) {
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; entry++) {
    if (!std::string_view(*entry).starts_with(kSocketVariable)) environment.push_back(*entry);
  }
  environment.push_back(socket_setting.data());
  environment.push_back(nullptr);
  return environment;
}

// Runs fusermount3 with the two descriptors; its pid.
Result Spawn(const std::string& mount_point, const std::string& options, int socket, int errors) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  // Onto itself: that clears its close-on-exec flag in the child alone.
  posix_spawn_file_actions_adddup2(&actions, socket, socket);
  // Node ignores SIGPIPE and may block others; a program expects the usual.
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);

  std::string program = "fusermount3";
  std::string dash_o = "-o";
  std::string dashes = "--";
  std::string option_text = options;
  std::string mount_point_text = mount_point;
  char* const arguments[] = {program.data(), dash_o.data(),           option_text.data(),
                             dashes.data(),  mount_point_text.data(), nullptr};
  std::string socket_setting = std::string(kSocketVariable) + std::to_string(socket);
  const std::vector<char*> environment = EnvironmentWith(socket_setting);

  pid_t child = -1;
  const int error =
      ::posix_spawnp(&child, program.c_str(), &actions, &attributes, arguments, environment.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return error != 0 ? -error : child;
}

// The descriptor that comes through the socket; invalid if the other end closes without one.
UniqueFd ReceiveDescriptor(int socket) {
  char byte;
  iovec data{&byte, sizeof byte};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const Result received =
      Uninterrupted([&] { return ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC); });
  if (received <= 0) return {};
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(int))) {
    return {};
  }
  int fd;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return UniqueFd(fd);
}

std::string TextOf(int file) {
  std::string text(kMessageBytesMax, '\0');
  const ssize_t length = ::pread(file, text.data(), text.size(), 0);
  text.resize(length < 0 ? 0 : static_cast<size_t>(length));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

Result MountByFusermount(const std::string& mount_point, const std::string& options,
                         std::string& message) {
  message.clear();
  if (("," + options + ",").find(",auto_unmount,") != std::string::npos) return -EINVAL;
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return -errno;
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  // A file, not a pipe: nobody needs to read along, and it never fills up.
  const UniqueFd errors(::memfd_create("fusermount3", MFD_CLOEXEC));
  if (!errors.valid()) return -errno;

  const Result child = Spawn(mount_point, options, theirs.get(), errors.get());
  if (child < 0) return child;
  theirs.Reset();  // else its end would never be seen
  UniqueFd fuse = ReceiveDescriptor(ours.get());
  int status = 0;
  const Result waited =
      Uninterrupted([&] { return ::waitpid(static_cast<pid_t>(child), &status, 0); });
  message = TextOf(errors.get());
  const bool has_succeeded = waited < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
  return fuse.valid() && has_succeeded ? fuse.Release() : -EPERM;
}

}  // namespace bygone
