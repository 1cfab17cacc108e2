#pragma once
// The writing side of one RTSP connection: responses and, once a TCP session plays, its interleaved packets.
//
//   order on the wire:   [rest of a half-written unit] [queued control bytes] [next unit] …
//
// Nothing is copied of a unit: a partial write keeps the train's reference and a byte offset.
#include <string>

#include "net/stream.h"
#include "rtsp/transport.h"
#include "sink/delivery.h"
#include "sink/kernel_lag.h"

namespace vigie::sink {

class TcpDelivery final : public Delivery {
 public:
  // Control bytes waiting beyond this mean that the viewer asks and never reads.
  static constexpr size_t kMaxControlBytes = size_t{128} << 10;

  explicit TcpDelivery(SendScratch& scratch) : scratch_(scratch) {}
  // Both must outlive this.
  void attach(net::Stream& stream) { stream_ = &stream; }
  void set_channels(rtsp::ChannelPair channels) { channels_ = channels; }
  void set_lag_limit(Nanos limit) { lag_.set_interval(limit / 8); }

  // Sends or queues a response. False: the connection is broken or the queue is full; the caller closes.
  [[nodiscard]] bool send_control(ByteSpan bytes);
  size_t control_bytes() const { return control_.size() - control_sent_; }

  enum class Resumed : uint8_t { ready, blocked, failed };
  // Goes on after the stream became writable. ready: everything kept has left.
  Resumed resume();

  SendOutcome send(const Ref<const RtpTrain>& train, const SendNumbers& numbers, MonoTime arrival) override;
  bool busy() const override { return train_ || !control_.empty(); }
  void send_rtcp(ByteSpan compound) override;
  size_t kept_bytes() const override { return train_ ? end_ - offset_ : 0; }
  uint32_t truncate() override;
  size_t kernel_bytes() const override { return stream_->unsent_bytes(); }
  Nanos kernel_age(MonoTime newest) const override;
  uint64_t taken_bytes() const override { return written_; }

 private:
  net::IoState write_train(const rtp::Train& train);
  net::IoResult write_private(const rtp::Train& train);
  bool write_control();
  void wait_until_writable();

  SendScratch& scratch_;
  net::Stream* stream_ = nullptr;
  Ref<const RtpTrain> train_;  // half-written unit
  uint32_t offset_ = 0;        // bytes of it already taken
  uint32_t end_ = 0;           // where it ends for this session
  SendNumbers numbers_;
  rtsp::ChannelPair channels_{0, 1};
  bool waiting_ = false;  // write interest is on
  bool failed_ = false;
  std::string control_;  // released when empty
  size_t control_sent_ = 0;
  uint64_t written_ = 0;
  KernelLag lag_;
};

}  // namespace vigie::sink
