#include "base/log.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace vigie {

std::string_view log_level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warning: return "warning";
    case LogLevel::error: return "error";
  }
  return "unknown";
}

size_t LogRing::Hash::operator()(const KeyView& key) const {
  const std::hash<std::string_view> hash;
  return (hash(key.component) * 31 + hash(key.object)) * 31 + key.code;
}

LogRing::LogRing(const Clock& clock, size_t capacity, LogLevel lowest)
    : clock_(clock), capacity_(std::max<size_t>(1, capacity)), lowest_(lowest) {}

void LogRing::log(LogLevel level, std::string_view component, std::string_view object, std::string_view text) {
  log(level, component, 0, object, text);
}

void LogRing::log(LogLevel level, std::string_view component, const Error& error) {
  const std::string_view sentence = code_sentence(error.code);
  const std::string text = error.what.empty() ? std::string(sentence) : std::string(sentence) + ": " + error.what;
  log(level, component, static_cast<uint16_t>(error.code), error.where, text);
}

void LogRing::log(LogLevel level, std::string_view component, uint16_t code, std::string_view object,
                  std::string_view text) {
  if (level < lowest_) return;
  LogRecord record{clock_.now_wall(),      level,
                   std::string(component), code,
                   std::string(object),    std::string(text.substr(0, kMaxTextBytes))};
  const MonoTime now = clock_.now_mono();
  const std::lock_guard lock(mutex_);
  const auto found = repeats_.find(KeyView{component, object, code});
  if (found == repeats_.end()) {
    if (repeats_.size() >= kMaxKeys) flush_repeats(now, false);
    if (repeats_.size() < kMaxKeys) {
      repeats_.emplace(Key{record.component, record.object, code}, Repeat{now, 0, {}});
    }
    put(std::move(record));
    return;
  }
  Repeat& repeat = found->second;
  if (now - repeat.last_out < kMergeWindow) {
    ++repeat.held;
    repeat.newest = std::move(record);
    return;
  }
  record.count += std::exchange(repeat.held, 0);
  repeat.last_out = now;
  put(std::move(record));
}

void LogRing::put(LogRecord record) {
  if (records_.size() >= capacity_) {
    records_.pop_front();
    ++overflowed_;
  }
  records_.push_back(std::move(record));
}

void LogRing::flush_repeats(MonoTime now, bool all) {
  std::vector<LogRecord> over;
  for (auto it = repeats_.begin(); it != repeats_.end();) {
    Repeat& repeat = it->second;
    if (!all && now - repeat.last_out < kMergeWindow) {
      ++it;
    } else if (repeat.held == 0) {
      it = repeats_.erase(it);
    } else {
      repeat.newest.count = std::exchange(repeat.held, 0);
      repeat.last_out = now;
      over.push_back(std::move(repeat.newest));
      ++it;
    }
  }
  std::sort(over.begin(), over.end(), [](const LogRecord& a, const LogRecord& b) { return a.at < b.at; });
  for (LogRecord& record : over) put(std::move(record));
}

std::vector<LogRecord> LogRing::take(size_t limit) {
  const size_t count = std::min(limit, records_.size());
  const auto end = records_.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<LogRecord> out(std::make_move_iterator(records_.begin()), std::make_move_iterator(end));
  records_.erase(records_.begin(), end);
  return out;
}

std::vector<LogRecord> LogRing::try_pull(size_t limit) {
  const MonoTime now = clock_.now_mono();
  const std::lock_guard lock(mutex_);
  flush_repeats(now, false);
  return take(limit);
}

std::vector<LogRecord> LogRing::pull_all() {
  const MonoTime now = clock_.now_mono();
  const std::lock_guard lock(mutex_);
  flush_repeats(now, true);
  return take(SIZE_MAX);
}

uint64_t LogRing::overflowed() const {
  const std::lock_guard lock(mutex_);
  return overflowed_;
}

}  // namespace vigie
