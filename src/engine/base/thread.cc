#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <cstring>
#include <system_error>
#include <utility>

namespace vigie {

Result<std::thread> start_thread(const std::string& name, std::function<void()> body) {
  constexpr size_t kKernelNameBytes = 15;
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // inherited by the new thread, so no signal slips in between
  std::thread thread;
  std::string why;
  try {
    thread = std::thread([thread_name = name.substr(0, kKernelNameBytes), run = std::move(body)] {
      pthread_setname_np(pthread_self(), thread_name.c_str());
      run();
    });
  } catch (const std::system_error& e) {
    why = e.what();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!thread.joinable()) return make_error(Code::internal, name, "the system gave no thread: " + why);
  return thread;
}

Status pin_this_thread(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (cpu < 0 || cpu >= CPU_SETSIZE) {
    return make_error(Code::invalid_argument, "processor " + std::to_string(cpu), "no such processor");
  }
  CPU_SET(static_cast<unsigned>(cpu), &set);
  const int error = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
  if (error != 0) {
    return make_error(Code::invalid_argument, "processor " + std::to_string(cpu),
                      std::string("threads cannot be put there: ") + std::strerror(error));
  }
  return {};
}

}  // namespace vigie
