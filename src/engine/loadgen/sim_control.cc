// What the control channel asks of the simulated cameras: faults on, faults off, figures.
#include <sys/resource.h>

#include <nlohmann/json.hpp>

#include "loadgen/sim_connection.h"

namespace vigie::loadgen {
namespace {

constexpr FaultKind kAllKinds[] = {
    FaultKind::loss,    FaultKind::reorder,     FaultKind::duplicate,   FaultKind::clock, FaultKind::no_reports,
    FaultKind::silence, FaultKind::restart,     FaultKind::sdp,         FaultKind::auth,  FaultKind::status,
    FaultKind::slow,    FaultKind::huge_length, FaultKind::endless_unit};

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

void SimServer::execute(const ControlCommand& command) {
  if (command.after > 0ns) {
    ControlCommand later = command;
    later.after = 0ns;
    loop_.after(command.after, [this, later] { execute(later); });
    return;
  }
  const auto apply = [&](CameraSlot& slot) {
    if (command.verb == ControlCommand::Verb::fault) {
      set_fault(slot, command.fault);
      if (command.fault.lasts > 0ns) {
        loop_.after(command.fault.lasts, [this, &slot, kind = command.fault.kind] { clear_fault(slot, kind); });
      }
    } else if (command.clear_all) {
      for (const FaultKind kind : kAllKinds) clear_fault(slot, kind);
    } else {
      clear_fault(slot, command.fault.kind);
    }
  };
  if (!command.cameras.empty()) {
    for (const uint32_t number : command.cameras) {
      if (number >= options_.first && number - options_.first < slots_.size()) apply(slots_[number - options_.first]);
    }
    return;
  }
  // A fraction: evenly spread, the same cameras every time.
  double due = 0;
  for (CameraSlot& slot : slots_) {
    due += command.fraction;
    if (due >= 1 - 1e-9) {
      due -= 1;
      apply(slot);
    }
  }
}

void SimServer::set_fault(CameraSlot& slot, const Fault& fault) {
  switch (fault.kind) {
    case FaultKind::loss:
    case FaultKind::reorder:
    case FaultKind::duplicate: slot.camera->packet_faults().set(fault); break;
    case FaultKind::silence: slot.camera->set_silent(true); break;
    case FaultKind::restart: {
      slot.closed_down = fault.lasts > 0ns;
      for (auto& [connection, owner] : connections_) {
        if (connection->slot == &slot) close(connection);
      }
      break;
    }
    case FaultKind::sdp: slot.sdp_lie = fault.text; break;
    case FaultKind::clock_jump:
      slot.camera->jump_clock(fault.ticks);
      slot.wall_offset_seconds += fault.wall_seconds;
      break;
    case FaultKind::clock:
      slot.clock_lie = fault.text;
      slot.clock_ppm = fault.ppm;
      slot.clock_ppm_since = loop_.now();
      break;
    case FaultKind::no_reports: slot.no_reports = true; break;
    case FaultKind::auth: slot.refuse_credentials = true; break;
    case FaultKind::status: slot.refuse_status = fault.status; break;
    case FaultKind::slow: slot.answer_delay = fault.delay; break;
    case FaultKind::garbage: {
      std::vector<uint8_t> bytes(fault.bytes);
      for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random_.next());
      const std::vector<SimConnection*> sessions = slot.sessions;
      for (SimConnection* session : sessions) {
        if (!session->udp()) session->send_bytes(bytes.data(), bytes.size());
      }
      break;
    }
    case FaultKind::huge_length: {
      if (fault.text == "body") {
        slot.huge_body = true;
        break;
      }
      const std::vector<SimConnection*> sessions = slot.sessions;
      for (SimConnection* session : sessions) {
        const uint8_t frame[4] = {'$', session->channel(), 0xff, 0xff};
        if (!session->udp()) session->send_bytes(frame, sizeof frame);
      }
      break;
    }
    case FaultKind::endless_unit: slot.camera->set_endless(true); break;
  }
}

void SimServer::clear_fault(CameraSlot& slot, FaultKind kind) {
  switch (kind) {
    case FaultKind::loss:
    case FaultKind::reorder:
    case FaultKind::duplicate: slot.camera->packet_faults().clear(kind); break;
    case FaultKind::silence: slot.camera->set_silent(false); break;
    case FaultKind::restart: slot.closed_down = false; break;
    case FaultKind::sdp: slot.sdp_lie.clear(); break;
    case FaultKind::clock:
      slot.clock_lie.clear();
      slot.clock_ppm = 0;
      break;
    case FaultKind::no_reports: slot.no_reports = false; break;
    case FaultKind::auth: slot.refuse_credentials = false; break;
    case FaultKind::status: slot.refuse_status = 0; break;
    case FaultKind::slow: slot.answer_delay = 0ns; break;
    case FaultKind::huge_length: slot.huge_body = false; break;
    case FaultKind::endless_unit: slot.camera->set_endless(false); break;
    case FaultKind::clock_jump:
    case FaultKind::garbage: break;  // happened once
  }
}

std::string SimServer::stats_json(bool per_camera) const {
  CameraCounts sum;
  PacketFaults::Counts faults;
  uint64_t playing = 0, sessions = 0;
  nlohmann::json cameras = nlohmann::json::array();
  for (const CameraSlot& slot : slots_) {
    const CameraCounts& counts = slot.camera->counts();
    sum.units += counts.units;
    sum.keyframes += counts.keyframes;
    sum.packets += counts.packets;
    sum.bytes += counts.bytes;
    sum.late_units += counts.late_units;
    sum.latest = std::max(sum.latest, counts.latest);
    const PacketFaults::Counts& own = slot.camera->packet_faults().counts();
    faults.dropped += own.dropped;
    faults.reordered += own.reordered;
    faults.duplicated += own.duplicated;
    playing += !slot.sessions.empty();
    sessions += slot.sessions.size();
    if (per_camera) {
      cameras.push_back({{"camera", slot.camera->number()},
                         {"quirks", slot.quirks.ids()},
                         {"units", counts.units},
                         {"packets", counts.packets},
                         {"late_units", counts.late_units},
                         {"dropped_packets", own.dropped},
                         {"sessions", slot.sessions.size()}});
    }
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  nlohmann::json stats{{"event", "stats"},
                       {"seconds", std::chrono::duration<double>(loop_.now() - started_).count()},
                       {"cpu_seconds", seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime)},
                       {"cameras", slots_.size()},
                       {"playing", playing},
                       {"sessions", sessions},
                       {"units", sum.units},
                       {"keyframes", sum.keyframes},
                       {"packets", sum.packets},
                       {"bytes", sum.bytes},
                       {"late_units", sum.late_units},
                       {"latest_ms", static_cast<double>(sum.latest.count()) / 1e6},
                       {"dropped_packets", faults.dropped},
                       {"reordered_packets", faults.reordered},
                       {"duplicated_packets", faults.duplicated},
                       {"connections", counts_.connections},
                       {"requests", counts_.requests},
                       {"unauthorized", counts_.unauthorized},
                       {"refused", counts_.refused},
                       {"audio_setups", counts_.audio_setups},
                       {"timed_out", counts_.timed_out},
                       {"would_block", counts_.would_block},
                       {"backpressure_units", counts_.backpressure_units},
                       {"receiver_reports", counts_.receiver_reports},
                       {"sender_reports", counts_.sender_reports}};
  if (per_camera) stats["per_camera"] = std::move(cameras);
  return stats.dump();
}

}  // namespace vigie::loadgen
