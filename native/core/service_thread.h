#pragma once

#include <functional>
#include <thread>

namespace bygone {

// A thread that gets no signals: they belong to Node's threads.
std::thread StartServiceThread(std::function<void()> run);

}  // namespace bygone
