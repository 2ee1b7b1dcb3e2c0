#pragma once

#include <string>

#include "core/result.h"

namespace bygone {

// Descriptors returned are close-on-exec and belong to the caller.

// open(2) of a path of the daemon's own.
Result OpenPath(const std::string& path, int flags, uint32_t mode);
// Opens the object behind fd (which may be O_PATH) anew; flags as for OpenAt.
// The same for a path in which no component may be a symbolic link: -ELOOP. Without O_CREAT.
Result OpenStraight(const std::string& path, int flags);
Result Reopen(int fd, int flags);
Result Duplicate(int fd);
// No program that is executed from now on gets any descriptor but the first three. Linux 5.11 and later.
Result CloseAllOnExec();
// dup3(2): what `to` stood for is closed, and at no moment is there nothing under that number.
Result DuplicateTo(int fd, int to);
Result CloseDescriptor(int fd);
Result Flock(int fd, int operation);
// Sets RLIMIT_NOFILE to its hard limit and returns that.
Result RaiseDescriptorLimit();
// A non-blocking event counter, and one more event for it.
Result EventFd();
Result SignalEventFd(int fd);
// The uid of the peer of a connected Unix socket.
Result PeerUid(int socket_fd);

}  // namespace bygone
