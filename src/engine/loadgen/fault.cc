#include "loadgen/fault.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace vigie::loadgen {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::pair<std::string_view, FaultKind>, 15> kNames{{
    {"loss", FaultKind::loss},
    {"reorder", FaultKind::reorder},
    {"duplicate", FaultKind::duplicate},
    {"silence", FaultKind::silence},
    {"restart", FaultKind::restart},
    {"sdp", FaultKind::sdp},
    {"clock_jump", FaultKind::clock_jump},
    {"clock", FaultKind::clock},
    {"no_reports", FaultKind::no_reports},
    {"auth", FaultKind::auth},
    {"status", FaultKind::status},
    {"slow", FaultKind::slow},
    {"garbage", FaultKind::garbage},
    {"huge_length", FaultKind::huge_length},
    {"endless_unit", FaultKind::endless_unit},
}};

Error bad(const std::string& field, const std::string& what) {
  return make_error(Code::invalid_argument, "control: " + field, what);
}

Result<FaultKind> kind_of(const Json& name, const std::string& field) {
  std::string known;
  for (const auto& [text, kind] : kNames) {
    if (name.is_string() && name.get_ref<const std::string&>() == text) return kind;
    known.append(known.empty() ? "" : ", ").append(text);
  }
  return bad(field, "must be one of " + known);
}

// Reads a number field where there is one; false when it is something else.
template <class T>
bool number(const Json& object, const char* name, T& value) {
  const auto found = object.find(name);
  if (found == object.end()) return true;
  if (!found->is_number() || (found->is_number() && std::is_unsigned_v<T> && found->template get<double>() < 0))
    return false;
  value = found->template get<T>();
  return true;
}

Nanos seconds(double value) { return Nanos(static_cast<int64_t>(value * 1e9)); }

Status read_targets(const Json& object, ControlCommand& command) {
  if (const auto found = object.find("cameras"); found != object.end()) {
    if (!found->is_array() || found->empty()) return bad("cameras", "must be a list of camera numbers");
    for (const Json& number : *found) {
      if (!number.is_number_unsigned()) return bad("cameras", "must be a list of camera numbers");
      command.cameras.push_back(number.get<uint32_t>());
    }
  }
  if (!number(object, "fraction", command.fraction) || !(command.fraction >= 0 && command.fraction <= 1)) {
    return bad("fraction", "must be from 0 to 1");
  }
  double after = 0;
  if (!number(object, "after", after) || !(after >= 0)) return bad("after", "must be seconds from now");
  command.after = seconds(after);
  return {};
}

Status read_fault(const Json& object, Fault& fault) {
  double lasts = 0, delay_ms = 0;
  if (!number(object, "every", fault.every)) return bad("every", "must be a whole number");
  if (!number(object, "percent", fault.percent) || !(fault.percent >= 0 && fault.percent <= 100)) {
    return bad("percent", "must be from 0 to 100");
  }
  if (!number(object, "ticks", fault.ticks)) return bad("ticks", "must be a number of 90 kHz ticks");
  if (!number(object, "wall_seconds", fault.wall_seconds)) return bad("wall_seconds", "must be a number");
  if (!number(object, "ppm", fault.ppm) || !(fault.ppm >= -1e5 && fault.ppm <= 1e5)) {
    return bad("ppm", "must be from -100000 to 100000");
  }
  if (!number(object, "status", fault.status) || fault.status < 100 || fault.status > 999) {
    return bad("status", "must be an RTSP status");
  }
  if (!number(object, "delay_ms", delay_ms) || !(delay_ms >= 0)) return bad("delay_ms", "must be milliseconds");
  if (!number(object, "bytes", fault.bytes) || fault.bytes > 1 << 20) return bad("bytes", "must be at most 1048576");
  if (!number(object, "seconds", lasts) || !(lasts >= 0)) return bad("seconds", "must be a number of seconds");
  if (const auto text = object.find("text"); text != object.end()) {
    if (!text->is_string()) return bad("text", "must be a text");
    fault.text = text->get<std::string>();
  }
  fault.lasts = seconds(lasts);
  fault.delay = seconds(delay_ms / 1000);
  const auto one_of = [&](std::initializer_list<const char*> known) {
    for (const char* each : known) {
      if (fault.text == each) return true;
    }
    return false;
  };
  switch (fault.kind) {
    case FaultKind::loss:
      if (fault.every == 0 && fault.percent <= 0) return bad("loss", "needs every or percent");
      break;
    case FaultKind::reorder:
    case FaultKind::duplicate:
      if (fault.every == 0) return bad("every", "is needed: which packets");
      break;
    case FaultKind::sdp:
      if (!one_of({"fps", "sprop", "no-sprop", "payload"}))
        return bad("text", "must be fps, sprop, no-sprop or payload");
      break;
    case FaultKind::clock:
      if (fault.text.empty() ? fault.ppm == 0 : !one_of({"since-1970", "zero"}))
        return bad("clock", "needs ppm, or the text since-1970 or zero");
      break;
    case FaultKind::huge_length:
      if (!one_of({"frame", "body"})) return bad("text", "must be frame or body");
      break;
    default: break;
  }
  return {};
}

}  // namespace

Result<ControlCommand> parse_control(std::string_view line) {
  const Json object = Json::parse(line, nullptr, false);
  if (!object.is_object()) return bad("line", "must be one JSON object");
  ControlCommand command;
  if (object.contains("stats")) {
    command.verb = ControlCommand::Verb::stats;
    command.per_camera = object.value("per_camera", Json()).is_boolean() && object["per_camera"].get<bool>();
    return command;
  }
  if (object.contains("stop")) {
    command.verb = ControlCommand::Verb::stop;
    return command;
  }
  if (const auto found = object.find("clear"); found != object.end()) {
    command.verb = ControlCommand::Verb::clear;
    command.clear_all = *found == "all";
    if (!command.clear_all) {
      const Result<FaultKind> kind = kind_of(*found, "clear");
      if (!kind.ok()) return kind.error();
      command.fault.kind = *kind;
    }
  } else if (const auto fault = object.find("fault"); fault != object.end()) {
    command.verb = ControlCommand::Verb::fault;
    const Result<FaultKind> kind = kind_of(*fault, "fault");
    if (!kind.ok()) return kind.error();
    command.fault.kind = *kind;
    if (const Status read = read_fault(object, command.fault); !read.ok()) return read.error();
  } else {
    return bad("line", "needs one of fault, clear, stats, stop");
  }
  if (const Status read = read_targets(object, command); !read.ok()) return read.error();
  return command;
}

void PacketFaults::set(const Fault& fault) {
  switch (fault.kind) {
    case FaultKind::loss:
      drop_every_ = fault.every;
      drop_percent_ = fault.percent;
      break;
    case FaultKind::reorder: swap_every_ = fault.every; break;
    case FaultKind::duplicate: double_every_ = fault.every; break;
    default: break;
  }
}

void PacketFaults::clear(FaultKind kind) {
  Fault none;
  none.kind = kind;
  set(none);
}

void PacketFaults::apply(size_t from, size_t to, std::vector<uint32_t>& order) {
  order.clear();
  for (size_t i = from; i < to; ++i) {
    ++seen_;
    if ((drop_every_ && seen_ % drop_every_ == 0) || (drop_percent_ > 0 && random_.chance(drop_percent_ / 100))) {
      ++counts_.dropped;
      continue;
    }
    order.push_back(static_cast<uint32_t>(i));
    if (double_every_ && seen_ % double_every_ == 0) {
      order.push_back(static_cast<uint32_t>(i));
      ++counts_.duplicated;
    }
    if (swap_every_ && seen_ % swap_every_ == 0 && order.size() >= 2 && order[order.size() - 2] != order.back()) {
      std::swap(order[order.size() - 2], order.back());
      ++counts_.reordered;
    }
  }
}

}  // namespace vigie::loadgen
