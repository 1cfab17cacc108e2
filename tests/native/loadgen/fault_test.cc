// The control channel's language and the packet faults.
#include "loadgen/fault.h"

#include <gtest/gtest.h>

namespace vigie::loadgen {
namespace {

std::vector<uint32_t> all_of(PacketFaults& faults, size_t packets, size_t unit) {
  std::vector<uint32_t> order, sent;
  for (size_t at = 0; at < packets; at += unit) {
    faults.apply(at, at + unit, order);
    sent.insert(sent.end(), order.begin(), order.end());
  }
  return sent;
}

Fault fault_of(FaultKind kind, uint32_t every, double percent = 0) {
  Fault fault;
  fault.kind = kind;
  fault.every = every;
  fault.percent = percent;
  return fault;
}

TEST(PacketFaults, DropsEveryNth) {
  PacketFaults faults(1);
  EXPECT_FALSE(faults.any());
  faults.set(fault_of(FaultKind::loss, 5));
  EXPECT_TRUE(faults.any());
  EXPECT_EQ(all_of(faults, 10, 10), (std::vector<uint32_t>{0, 1, 2, 3, 5, 6, 7, 8}));
  EXPECT_EQ(faults.counts().dropped, 2u);
  faults.clear(FaultKind::loss);
  EXPECT_FALSE(faults.any());
}

TEST(PacketFaults, DropsAShare) {
  PacketFaults faults(3);
  faults.set(fault_of(FaultKind::loss, 0, 10));
  const size_t sent = all_of(faults, 100'000, 20).size();
  EXPECT_EQ(sent + faults.counts().dropped, 100'000u);
  EXPECT_NEAR(static_cast<double>(faults.counts().dropped), 10'000, 400);
}

TEST(PacketFaults, SwapsAndRepeats) {
  PacketFaults faults(1);
  faults.set(fault_of(FaultKind::reorder, 4));
  EXPECT_EQ(all_of(faults, 8, 8), (std::vector<uint32_t>{0, 1, 3, 2, 4, 5, 7, 6}));
  EXPECT_EQ(faults.counts().reordered, 2u);
  PacketFaults twice(1);
  twice.set(fault_of(FaultKind::duplicate, 3));
  EXPECT_EQ(all_of(twice, 4, 4), (std::vector<uint32_t>{0, 1, 2, 2, 3}));
  EXPECT_EQ(twice.counts().duplicated, 1u);
}

TEST(Control, ReadsCommands) {
  auto command = parse_control(R"({"fault":"loss","percent":1.5,"cameras":[0,7],"seconds":5,"after":0.5})");
  ASSERT_TRUE(command.ok());
  EXPECT_EQ(command->verb, ControlCommand::Verb::fault);
  EXPECT_EQ(command->fault.kind, FaultKind::loss);
  EXPECT_DOUBLE_EQ(command->fault.percent, 1.5);
  EXPECT_EQ(command->cameras, (std::vector<uint32_t>{0, 7}));
  EXPECT_EQ(command->fault.lasts, 5s);
  EXPECT_EQ(command->after, 500ms);
  command = parse_control(R"({"fault":"clock_jump","ticks":-90000,"wall_seconds":-3.5})");
  ASSERT_TRUE(command.ok());
  EXPECT_EQ(command->fault.ticks, -90000);
  EXPECT_DOUBLE_EQ(command->fault.wall_seconds, -3.5);
  command = parse_control(R"({"clear":"all","fraction":0.5})");
  ASSERT_TRUE(command.ok());
  EXPECT_TRUE(command->clear_all);
  EXPECT_DOUBLE_EQ(command->fraction, 0.5);
  EXPECT_EQ(parse_control(R"({"stats":true,"per_camera":true})")->per_camera, true);
  EXPECT_EQ(parse_control(R"({"stop":true})")->verb, ControlCommand::Verb::stop);
}

TEST(Control, RefusesAndNamesTheField) {
  struct {
    const char* line;
    const char* field;
  } rows[] = {
      {"", "line"},
      {"[]", "line"},
      {"{}", "line"},
      {R"({"fault":"flood"})", "fault"},
      {R"({"fault":7})", "fault"},
      {R"({"clear":"flood"})", "clear"},
      {R"({"fault":"loss"})", "loss"},
      {R"({"fault":"loss","percent":101})", "percent"},
      {R"({"fault":"loss","every":-1})", "every"},
      {R"({"fault":"loss","every":"2"})", "every"},
      {R"({"fault":"silence","seconds":-1})", "seconds"},
      {R"({"fault":"silence","cameras":3})", "cameras"},
      {R"({"fault":"silence","cameras":[-3]})", "cameras"},
      {R"({"fault":"silence","fraction":2})", "fraction"},
      {R"({"fault":"silence","after":"now"})", "after"},
      {R"({"fault":"sdp","text":"colour"})", "text"},
      {R"({"fault":"huge_length"})", "text"},
      {R"({"fault":"status","status":7})", "status"},
      {R"({"fault":"garbage","bytes":99999999})", "bytes"},
      {R"({"fault":"reorder"})", "every"},
  };
  for (const auto& row : rows) {
    const auto command = parse_control(row.line);
    ASSERT_FALSE(command.ok()) << row.line;
    EXPECT_EQ(command.error().where, std::string("control: ") + row.field) << row.line;
  }
}

TEST(Control, ReadsClocks) {
  auto clock = parse_control(R"({"fault":"clock","ppm":-250})");
  ASSERT_TRUE(clock.ok());
  EXPECT_EQ(clock->fault.kind, FaultKind::clock);
  EXPECT_EQ(clock->fault.ppm, -250);
  EXPECT_EQ(parse_control(R"({"fault":"clock","text":"since-1970"})")->fault.text, "since-1970");
  EXPECT_EQ(parse_control(R"({"fault":"no_reports","seconds":7})")->fault.lasts, 7s);
  for (const char* wrong : {R"({"fault":"clock"})", R"({"fault":"clock","text":"noon"})",
                            R"({"fault":"clock","ppm":1e6})", R"({"fault":"clock","ppm":"fast"})"}) {
    EXPECT_FALSE(parse_control(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace vigie::loadgen
