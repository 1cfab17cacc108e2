#pragma once
// A move-only callable with inline storage: posting one to a shard takes no memory from the heap.
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace vigie {

class Task {
 public:
  static constexpr size_t kInlineBytes = 112;

  Task() = default;
  template <class F>
    requires(!std::is_same_v<std::decay_t<F>, Task> && std::is_invocable_v<F&>)
  Task(F&& f) {  // NOLINT(google-explicit-constructor, bugprone-forwarding-reference-overload)
    using Fn = std::decay_t<F>;
    if constexpr (sizeof(Fn) <= kInlineBytes && alignof(Fn) <= alignof(std::max_align_t) &&
                  std::is_nothrow_move_constructible_v<Fn>) {
      new (storage_) Fn(std::forward<F>(f));
      ops_ = &kInline<Fn>;
    } else {
      new (storage_) Fn*(new Fn(std::forward<F>(f)));
      ops_ = &kHeap<Fn>;
    }
  }
  Task(Task&& other) noexcept { take(other); }
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      reset();
      take(other);
    }
    return *this;
  }
  ~Task() { reset(); }
  explicit operator bool() const { return ops_ != nullptr; }
  void operator()() { ops_->call(storage_); }

 private:
  struct Ops {
    void (*call)(void*);
    void (*move)(void* from, void* to);
    void (*destroy)(void*);
  };
  template <class Fn>
  static constexpr Ops kInline{[](void* p) { (*static_cast<Fn*>(p))(); },
                               [](void* from, void* to) {
                                 new (to) Fn(std::move(*static_cast<Fn*>(from)));
                                 static_cast<Fn*>(from)->~Fn();
                               },
                               [](void* p) { static_cast<Fn*>(p)->~Fn(); }};
  template <class Fn>
  static constexpr Ops kHeap{[](void* p) { (**static_cast<Fn**>(p))(); },
                             [](void* from, void* to) { new (to) Fn*(*static_cast<Fn**>(from)); },
                             [](void* p) { delete *static_cast<Fn**>(p); }};
  void take(Task& other) noexcept {
    ops_ = std::exchange(other.ops_, nullptr);
    if (ops_) ops_->move(other.storage_, storage_);
  }
  void reset() {
    if (ops_) std::exchange(ops_, nullptr)->destroy(storage_);
  }

  const Ops* ops_ = nullptr;
  alignas(std::max_align_t) std::byte storage_[kInlineBytes];
};

}  // namespace vigie
