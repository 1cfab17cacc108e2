#include "source/start_gate.h"

#include <algorithm>
#include <utility>

#include "base/random.h"

namespace vigie::source {

StartGate::Pass::Pass(Pass&& other) noexcept
    : gate_(std::exchange(other.gate_, nullptr)), id_(std::exchange(other.id_, 0)) {}

StartGate::Pass& StartGate::Pass::operator=(Pass&& other) noexcept {
  if (this != &other) {
    give_back();
    gate_ = std::exchange(other.gate_, nullptr);
    id_ = std::exchange(other.id_, 0);
  }
  return *this;
}

void StartGate::Pass::give_back() {
  if (StartGate* gate = std::exchange(gate_, nullptr)) gate->give_back(std::exchange(id_, 0));
}

StartGate::StartGate(net::EventLoop& loop, StartGateOptions options)
    : loop_(loop), options_(options), random_(options.seed ? options.seed : secure_random_u64()) {
  if (options_.limit == 0) options_.limit = 1;
}

StartGate::~StartGate() {
  for (Inside& inside : inside_) loop_.cancel_timer(inside.timer);
}

StartGate::Pass StartGate::request(Task go) {
  const uint64_t id = next_id_++;
  waiting_.push_back({id, std::move(go)});
  fill();
  return Pass(this, id);
}

StartGate::Inside* StartGate::find_inside(uint64_t id) {
  const auto found = std::find_if(inside_.begin(), inside_.end(), [id](const Inside& i) { return i.id == id; });
  return found == inside_.end() ? nullptr : &*found;
}

void StartGate::give_back(uint64_t id) {
  if (Inside* inside = find_inside(id)) {
    loop_.cancel_timer(inside->timer);
    std::erase_if(inside_, [id](const Inside& i) { return i.id == id; });
    fill();
    return;
  }
  std::erase_if(waiting_, [id](const Waiting& w) { return w.id == id; });
}

void StartGate::fill() {
  while (inside_.size() < options_.limit && !waiting_.empty()) {
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    const Nanos delay{static_cast<int64_t>(random_.below(static_cast<uint64_t>(options_.spread.count()) + 1))};
    const uint64_t id = next.id;
    const net::TimerId timer = loop_.add_timer_after(delay, [this, id] { begin(id); });
    inside_.push_back({id, timer, std::move(next.go)});
  }
}

void StartGate::begin(uint64_t id) {
  Inside* inside = find_inside(id);
  if (!inside) return;
  inside->timer = loop_.add_timer_after(options_.hold, [this, id] { give_back(id); });
  Task go = std::move(inside->go);
  go();
}

}  // namespace vigie::source
