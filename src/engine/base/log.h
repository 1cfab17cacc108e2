#pragma once
// The log ring: the core prints nothing, a sink pulls records. Repetitions are merged.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace vigie {

enum class LogLevel : uint8_t { debug = 0, info = 1, warning = 2, error = 3 };
std::string_view log_level_name(LogLevel level);

// `count` is how many equal records this one stands for (1 = itself only). `code` is 0 where nothing failed.
struct LogRecord {
  WallTime at{};
  LogLevel level = LogLevel::info;
  std::string component;  // folder or class: "source", "rtsp_server"
  uint16_t code = 0;
  std::string object;  // "camera/stream", "listener …": what it is about, never with credentials
  std::string text;
  uint64_t count = 1;
};

// Bounded ring of records, merged by (component, code, object): the first at once, then one record a second that holds
// the newest text and the count. When full, the oldest record goes and is counted.
// Thread: any; takes a short lock, so not for every packet.
class LogRing {
 public:
  static constexpr Nanos kMergeWindow = 1s;
  static constexpr size_t kMaxKeys = 4096;       // beyond it records are not merged
  static constexpr size_t kMaxTextBytes = 1024;  // longer texts are cut

  explicit LogRing(const Clock& clock, size_t capacity = 1024, LogLevel lowest = LogLevel::info);

  void log(LogLevel level, std::string_view component, std::string_view object, std::string_view text);
  void log(LogLevel level, std::string_view component, const Error& error);
  void log(LogLevel level, std::string_view component, uint16_t code, std::string_view object, std::string_view text);

  // Takes up to `limit` records, oldest first, merged ones whose second is over included. Returns at once.
  std::vector<LogRecord> try_pull(size_t limit = SIZE_MAX);
  // The same without waiting for any second to be over: for the end of the program.
  std::vector<LogRecord> pull_all();
  // Records thrown away because nobody pulled.
  uint64_t overflowed() const;

 private:
  struct Key {
    std::string component;
    std::string object;
    uint16_t code = 0;
  };
  struct KeyView {
    std::string_view component;
    std::string_view object;
    uint16_t code = 0;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(const Key& key) const { return (*this)(KeyView{key.component, key.object, key.code}); }
    size_t operator()(const KeyView& key) const;
  };
  struct Equal {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return a.code == b.code && std::string_view(a.object) == std::string_view(b.object) &&
             std::string_view(a.component) == std::string_view(b.component);
    }
  };
  struct Repeat {
    MonoTime last_out{};
    uint64_t held = 0;
    LogRecord newest;  // valid while held > 0
  };

  void put(LogRecord record);
  void flush_repeats(MonoTime now, bool all);
  std::vector<LogRecord> take(size_t limit);

  const Clock& clock_;
  const size_t capacity_;
  const LogLevel lowest_;
  mutable std::mutex mutex_;
  std::deque<LogRecord> records_;
  std::unordered_map<Key, Repeat, Hash, Equal> repeats_;
  uint64_t overflowed_ = 0;
};

}  // namespace vigie
