#pragma once
// How one session's packets leave: the interface that TCP and UDP share, and the memory both build their sends in.
#include <netinet/in.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/ref.h"
#include "base/time.h"
#include "net/udp.h"
#include "rtp/train.h"
#include "sink/rtp_feed.h"

namespace vigie::sink {

// What became of a unit that was handed over.
enum class SendOutcome : uint8_t {
  done,     // all of it was taken
  kept,     // taken as far as possible; the rest goes by itself, on_delivery_ready() follows
  dropped,  // UDP: some packets could not be sent and never will be
  failed,   // the transport is broken
};

// How urgent a unit is.
enum class Pace : uint8_t {
  live,     // the newest there is
  backlog,  // newer ones came while those before it were being sent
  history,  // it was there before the viewer asked, and newer ones follow at once
};

// Which numbers a unit is sent with. `shared`: the train's own bytes are right as they are.
struct SendNumbers {
  bool shared = true;
  uint16_t first_sequence = 0;
  uint32_t timestamp = 0;
  Pace pace = Pace::live;
};

// Told when a kept unit is gone and the next may come. Called from the loop, never from inside a call on Delivery.
class DeliveryOwner {
 public:
  // `kept_unit`: done or dropped.
  virtual void on_delivery_ready(SendOutcome kept_unit) = 0;

 protected:
  ~DeliveryOwner() = default;
};

// Thread: one shard.
class Delivery {
 public:
  virtual ~Delivery() = default;
  // Not while busy(). `arrival`: when the unit came in, by which the kernel's queue is aged.
  virtual SendOutcome send(const Ref<const RtpTrain>& train, const SendNumbers& numbers, MonoTime arrival) = 0;
  // Something kept is still on its way.
  virtual bool busy() const = 0;
  // Sends one RTCP compound as soon as packet boundaries allow; may be dropped when nothing gets through.
  virtual void send_rtcp(ByteSpan compound) = 0;
  // Bytes of a kept unit that the kernel has not taken.
  virtual size_t kept_bytes() const = 0;
  // Gives up the rest of a kept unit, after the packet that is half written. Returns how many packets will not be sent.
  virtual uint32_t truncate() = 0;
  // Bytes that the kernel has taken since the beginning; 0 where that says nothing (datagrams).
  virtual uint64_t taken_bytes() const = 0;
  // Bytes in the kernel that the viewer has not acknowledged, and how old the oldest is beside `newest`.
  virtual size_t kernel_bytes() const = 0;
  virtual Nanos kernel_age(MonoTime newest) const = 0;
};

// Memory in which a shard's sessions put together their sends; content is dead after each send. One a shard.
struct SendScratch {
  static constexpr size_t kPackets = 512;
  std::array<iovec, kPackets * 2> pieces;
  std::array<uint8_t, kPackets * rtp::kPrivateHeaderBytes> headers;
  std::array<net::UdpPacket, kPackets> packets;
};

}  // namespace vigie::sink
