#pragma once
// Staggers the beginnings of sources on one shard: five hundred cameras must not all connect in the same instant (J6).
#include <cstddef>
#include <cstdint>
#include <deque>

#include "base/random.h"
#include "base/task.h"
#include "net/event_loop.h"

namespace vigie::source {

struct StartGateOptions {
  size_t limit = 64;    // dialogues under way at once
  Nanos hold = 500ms;   // a dialogue longer than this gives its place up: dead cameras must not hold up live ones
  Nanos spread = 50ms;  // each start waits a random part of this
  uint64_t seed = 0;    // 0: seeded by the kernel
};

// With the defaults at least 128 sources a second begin, even when no camera answers.
// Thread: the loop's. Must outlive its passes.
class StartGate {
 public:
  // A place in the queue, then in the gate. Destroying it gives the place back; `go` is then not called any more.
  class Pass {
   public:
    Pass() = default;
    Pass(Pass&& other) noexcept;
    Pass& operator=(Pass&& other) noexcept;
    ~Pass() { give_back(); }
    void give_back();

   private:
    friend class StartGate;
    Pass(StartGate* gate, uint64_t id) : gate_(gate), id_(id) {}
    StartGate* gate_ = nullptr;
    uint64_t id_ = 0;
  };

  explicit StartGate(net::EventLoop& loop, StartGateOptions options = {});
  ~StartGate();
  StartGate(const StartGate&) = delete;
  StartGate& operator=(const StartGate&) = delete;

  // Calls `go` once from the loop when its turn has come, never from inside this call.
  Pass request(Task go);
  size_t waiting() const { return waiting_.size(); }
  size_t inside() const { return inside_.size(); }

 private:
  struct Waiting {
    uint64_t id;
    Task go;
  };
  struct Inside {
    uint64_t id;
    net::TimerId timer;  // of the start, then of the hold's end
    Task go;             // empty once called
  };
  void give_back(uint64_t id);
  void fill();
  void begin(uint64_t id);
  Inside* find_inside(uint64_t id);

  net::EventLoop& loop_;
  StartGateOptions options_;
  FastRandom random_;
  uint64_t next_id_ = 1;
  std::deque<Waiting> waiting_;
  std::deque<Inside> inside_;  // few: searched in order
};

}  // namespace vigie::source
