#pragma once
// A list that is kept once by all that hold the same.
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

namespace vigie::policy {

// A list of thousands is read, checked and compared once, however many share it. Thread: read by any.
template <class T>
class SharedList {
 public:
  using value_type = T;
  SharedList() = default;
  SharedList(std::vector<T> items)  // NOLINT(google-explicit-constructor): a list is what it is
      : list_(std::make_shared<std::vector<T>>(std::move(items))) {}
  SharedList(std::initializer_list<T> items) : SharedList(std::vector<T>(items)) {}
  auto begin() const { return list().begin(); }
  auto end() const { return list().end(); }
  size_t size() const { return list().size(); }
  bool empty() const { return list().empty(); }
  const T& operator[](size_t index) const { return list()[index]; }
  const T& back() const { return list().back(); }
  // The same for those that share one list, for as long as one of them lives.
  const void* identity() const { return list_.get(); }
  bool shares(const SharedList& other) const { return list_ == other.list_; }
  friend bool operator==(const SharedList& a, const SharedList& b) { return a.shares(b) || a.list() == b.list(); }
  // For whoever makes it, never once others may see it: the list to change, from now on shared with nobody. Thread: the
  // maker's.
  std::vector<T>& edit() {
    if (!list_ || list_.use_count() > 1) list_ = std::make_shared<std::vector<T>>(list());
    return *list_;
  }

 private:
  const std::vector<T>& list() const {
    static const std::vector<T> kNone;
    return list_ ? *list_ : kNone;
  }
  std::shared_ptr<std::vector<T>> list_;
};

}  // namespace vigie::policy
