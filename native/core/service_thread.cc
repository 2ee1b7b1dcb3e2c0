#include "core/service_thread.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace bygone {

std::thread StartServiceThread(std::function<void()> run) {
  // Blocked here and inherited, so that there is no instant in which the new thread gets one.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(run));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace bygone
