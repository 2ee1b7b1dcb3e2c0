#pragma once

#include <string>

#include "core/result.h"

namespace bygone {

// Sends one datagram to a Unix socket: a path, or with '@' first an abstract name, as a service manager has it in
// NOTIFY_SOCKET. Does not wait for a receiver that is slow (-EAGAIN).
Result NotifyService(const std::string& socket, const std::string& message);

}  // namespace bygone
