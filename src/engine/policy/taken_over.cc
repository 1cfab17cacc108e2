#include "policy/taken_over.h"

#include <functional>
#include <unordered_map>

namespace vigie::policy {

PolicySnapshot::PolicySnapshot() = default;
PolicySnapshot::~PolicySnapshot() = default;

namespace {

constexpr std::string_view kPlaceholder = "{}";

// Walks over JSON without judging it. Every step is false, or npos, where it cannot go on.
class Walk {
 public:
  explicit Walk(std::string_view text) : text_(text) {}

  size_t place() const { return place_; }
  void go_to(size_t place) { place_ = place; }
  bool starts_with(std::string_view other) const { return text_.substr(place_).starts_with(other); }

  void blanks() {
    while (place_ < text_.size() && std::string_view(" \t\n\r").find(text_[place_]) != std::string_view::npos) ++place_;
  }
  char next() const { return place_ < text_.size() ? text_[place_] : '\0'; }
  bool take(char wanted) {
    blanks();
    if (next() != wanted) return false;
    ++place_;
    return true;
  }
  // A text without escapes, between its quotes.
  std::optional<std::string_view> plain_text() {
    if (!take('"')) return std::nullopt;
    const size_t end = text_.find_first_of("\"\\", place_);
    if (end == std::string_view::npos || text_[end] == '\\') return std::nullopt;
    const std::string_view found = text_.substr(place_, end - place_);
    place_ = end + 1;
    return found;
  }
  bool value() {
    blanks();
    size_t depth = 0;
    do {
      switch (next()) {
        case '"':
          if (!text()) return false;
          break;
        case '{':
        case '[':
          ++depth;
          ++place_;
          break;
        case '}':
        case ']':
          if (depth == 0) return false;
          --depth;
          ++place_;
          break;
        case '\0': return false;  // the end, or a character that may not stand there
        default:
          if (depth == 0) return scalar();
          ++place_;
      }
    } while (depth > 0);
    return true;
  }

 private:
  bool text() {
    for (++place_; (place_ = text_.find_first_of("\"\\", place_)) != std::string_view::npos; place_ += 2) {
      if (text_[place_] == '"') return ++place_ > 0;
    }
    return false;
  }
  bool scalar() {
    const size_t end = text_.find_first_of(",]} \t\n\r", place_);
    if (end == std::string_view::npos || end == place_) return false;
    place_ = end;
    return true;
  }

  std::string_view text_;
  size_t place_ = 0;
};

// The elements of one list of the earlier text, found in the order in which they stood or by what they say.
class Earlier {
 public:
  Earlier(std::string_view json, const std::vector<TextElement>& elements) : json_(json), elements_(elements) {}

  // The one that should come now, when it does.
  std::optional<size_t> expected(const Walk& walk) {
    for (size_t i = next_; i < elements_.size() && i < next_ + 2; ++i) {  // or one was taken out before it
      if (elements_[i].stands_alone && walk.starts_with(text(i))) return found(i);
    }
    return std::nullopt;
  }
  std::optional<size_t> saying(std::string_view said, size_t hash) {
    if (by_hash_.empty()) {
      for (size_t i = 0; i < elements_.size(); ++i) by_hash_.emplace(elements_[i].hash, i);
    }
    const auto [begin, end] = by_hash_.equal_range(hash);
    for (auto it = begin; it != end; ++it) {
      if (elements_[it->second].stands_alone && text(it->second) == said) return found(it->second);
    }
    if (next_ < elements_.size()) ++next_;  // it stands in the place of another
    return std::nullopt;
  }
  const TextElement& element(size_t index) const { return elements_[index]; }

 private:
  std::string_view text(size_t index) const { return json_.substr(elements_[index].begin, elements_[index].length); }
  size_t found(size_t index) {
    next_ = index + 1;
    return index;
  }

  std::string_view json_;
  const std::vector<TextElement>& elements_;
  size_t next_ = 0;
  std::unordered_multimap<size_t, size_t> by_hash_;
};

// The text with what was left out, as far as it was walked over.
class Shorter {
 public:
  Shorter(std::string_view from, std::string& to) : from_(from), to_(to) {}
  void leave_out(size_t begin, size_t end) {
    to_.append(from_.substr(kept_, begin - kept_)).append(kPlaceholder);
    kept_ = end;
  }
  void finish() { to_.append(from_.substr(kept_)); }

 private:
  std::string_view from_;
  std::string& to_;
  size_t kept_ = 0;
};

// `policies`: what the earlier list was read as; `taken`: those of them that the new elements are, else null.
template <class T>
bool walk_list(Walk& walk, std::string_view json, Earlier earlier, const auto& policies, Shorter& shorter,
               std::vector<TextElement>& elements, std::vector<const T*>& taken) {
  if (!elements.empty() || !walk.take('[')) return false;
  if (walk.take(']')) return true;
  do {
    walk.blanks();
    TextElement element{.begin = walk.place()};
    std::optional<size_t> same = earlier.expected(walk);
    if (same) {
      walk.go_to(element.begin + earlier.element(*same).length);
    } else {
      if (walk.next() != '{' || !walk.value()) return false;
      const std::string_view said = json.substr(element.begin, walk.place() - element.begin);
      element.hash = std::hash<std::string_view>{}(said);
      same = earlier.saying(said, element.hash);
    }
    element.length = walk.place() - element.begin;
    if (same) {
      element.hash = earlier.element(*same).hash;
      element.stands_alone = true;
      shorter.leave_out(element.begin, walk.place());
    }
    elements.push_back(element);
    taken.push_back(same ? &policies[*same] : nullptr);
  } while (walk.take(','));
  return walk.take(']');
}

}  // namespace

bool ShortText::same_cameras() const {
  if (!before || cameras.empty() || cameras.size() != before->cameras.size()) return false;
  for (size_t i = 0; i < cameras.size(); ++i) {
    if (cameras[i] != &before->cameras[i]) return false;
  }
  return true;
}

std::optional<ShortText> shorten(std::string_view json, const PolicySnapshot* before) {
  static const PolicySnapshot kNothing;
  static const SnapshotText kNoText;
  const PolicySnapshot& old = before ? *before : kNothing;
  const SnapshotText& text = old.text ? *old.text : kNoText;
  if (json.size() > kMaxShortened) return std::nullopt;
  ShortText made{.before = before};
  Shorter shorter(json, made.json);
  Walk walk(json);
  if (!walk.take('{')) return std::nullopt;
  do {
    const auto key = walk.plain_text();
    if (!key || !walk.take(':')) return std::nullopt;
    walk.blanks();
    const auto read = [&](const auto& elements, const auto& policies, auto& new_elements, auto& taken) {
      return walk_list(walk, json, Earlier(text.json, elements), policies, shorter, new_elements, taken);
    };
    const bool is_list = walk.next() == '[';
    const bool walked = is_list && *key == "agents" ? read(text.agents, old.agents, made.whole.agents, made.agents)
                        : is_list && *key == "cameras"
                            ? read(text.cameras, old.cameras, made.whole.cameras, made.cameras)
                            : walk.value();
    if (!walked) return std::nullopt;
  } while (walk.take(','));
  if (!walk.take('}')) return std::nullopt;
  shorter.finish();
  made.whole.json = json;
  return made;
}

}  // namespace vigie::policy
