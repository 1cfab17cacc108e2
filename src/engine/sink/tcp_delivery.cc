#include "sink/tcp_delivery.h"

#include <algorithm>
#include <array>

namespace vigie::sink {

using net::IoState;

void TcpDelivery::wait_until_writable() {
  if (waiting_) return;
  waiting_ = true;
  stream_->set_write_interest(true);
}

bool TcpDelivery::write_control() {
  while (control_sent_ < control_.size()) {
    const net::IoResult result = stream_->write(as_bytes(control_).subspan(control_sent_));
    if (result.would_block()) {
      wait_until_writable();
      return true;
    }
    if (!result.ok()) {
      failed_ = true;
      return false;
    }
    control_sent_ += result.bytes;
    written_ += result.bytes;
  }
  std::string().swap(control_);  // idle viewers keep no buffer
  control_sent_ = 0;
  return true;
}

bool TcpDelivery::send_control(ByteSpan bytes) {
  if (failed_) return false;
  if (control_bytes() + bytes.size() > kMaxControlBytes) return false;
  if (control_sent_ > 0) {
    control_.erase(0, control_sent_);
    control_sent_ = 0;
    // What is left of a half-sent response must still go first and whole, which appending keeps.
  }
  control_.append(as_text(bytes));
  return train_ || waiting_ ? true : write_control();
}

void TcpDelivery::send_rtcp(ByteSpan compound) {
  // Reports are of use only while fresh: one is enough in a queue that does not move.
  if (failed_ || compound.size() > 1024 || (waiting_ && control_bytes() > 4096)) return;
  std::array<uint8_t, 4 + 1024> frame;
  frame[0] = '$';
  frame[1] = channels_.rtcp;
  store_be16(&frame[2], static_cast<uint16_t>(compound.size()));
  std::copy(compound.begin(), compound.end(), frame.begin() + 4);
  if (!send_control(ByteSpan(frame).first(4 + compound.size()))) failed_ = true;
}

// One sendmsg over private headers and shared payloads, from offset_ on, as much as fits the scratch.
net::IoResult TcpDelivery::write_private(const rtp::Train& train) {
  uint32_t index = train.packet_at(offset_);
  size_t pieces = 0;
  size_t headers = 0;
  for (; index < train.packet_count() && headers < SendScratch::kPackets; ++index, ++headers) {
    const uint32_t begin = train.frame_offset(index);
    const uint32_t end = train.frame_offset(index + 1);
    if (begin >= end_) break;
    uint8_t* header = &scratch_.headers[headers * rtp::kPrivateHeaderBytes];
    rtp::write_private_header(train, index, {channels_.rtp, train.ssrc(), numbers_.first_sequence, numbers_.timestamp},
                              header);
    size_t skip = offset_ > begin ? offset_ - begin : 0;
    if (skip < rtp::kPrivateHeaderBytes) {
      scratch_.pieces[pieces++] = {header + skip, rtp::kPrivateHeaderBytes - skip};
      skip = rtp::kPrivateHeaderBytes;
    }
    const ByteSpan payload = train.framed().subspan(begin + skip, end - begin - skip);
    if (!payload.empty()) {
      scratch_.pieces[pieces++] = {const_cast<uint8_t*>(payload.data()), payload.size()};
    }
  }
  return stream_->writev(std::span(scratch_.pieces.data(), pieces));
}

// Writes from offset_ to end_: ok when all is taken, would_block when a rest is left.
IoState TcpDelivery::write_train(const rtp::Train& train) {
  while (offset_ < end_) {
    const net::IoResult result = numbers_.shared && channels_.rtp == 0
                                     ? stream_->write(train.framed().subspan(offset_, end_ - offset_))
                                     : write_private(train);
    if (!result.ok()) return result.would_block() ? IoState::would_block : IoState::failed;
    offset_ += static_cast<uint32_t>(result.bytes);
    written_ += result.bytes;
  }
  return IoState::ok;
}

SendOutcome TcpDelivery::send(const Ref<const RtpTrain>& train, const SendNumbers& numbers, MonoTime arrival) {
  if (failed_) return SendOutcome::failed;
  const rtp::Train& packets = train->train();
  offset_ = 0;
  end_ = static_cast<uint32_t>(packets.framed().size());
  numbers_ = numbers;
  const IoState state = write_train(packets);
  lag_.on_sent(written_ + (end_ - offset_), arrival);
  if (state == IoState::ok) return SendOutcome::done;
  if (state == IoState::failed) {
    failed_ = true;
    return SendOutcome::failed;
  }
  train_ = train;
  wait_until_writable();
  return SendOutcome::kept;
}

TcpDelivery::Resumed TcpDelivery::resume() {
  if (failed_) return Resumed::failed;
  if (train_) {
    const IoState state = write_train(train_->train());
    if (state == IoState::would_block) return Resumed::blocked;
    if (state == IoState::failed) {
      failed_ = true;
      return Resumed::failed;
    }
    train_ = nullptr;
  }
  if (!control_.empty()) {
    if (!write_control()) return Resumed::failed;
    if (!control_.empty()) return Resumed::blocked;
  }
  if (waiting_) {
    waiting_ = false;
    stream_->set_write_interest(false);
  }
  return Resumed::ready;
}

uint32_t TcpDelivery::truncate() {
  if (!train_) return 0;
  const rtp::Train& packets = train_->train();
  const uint32_t index = packets.packet_at(offset_);
  // Between two packets nothing is half written: the one that would come next is given up as well.
  const bool inside = offset_ > packets.frame_offset(index);
  const uint32_t keep = inside ? index + 1 : index;
  const uint32_t end = packets.frame_offset(keep);
  if (end >= end_) return 0;
  const uint32_t lost = packets.packet_count() - keep;
  end_ = end;
  if (!inside) train_ = nullptr;
  return lost;
}

Nanos TcpDelivery::kernel_age(MonoTime newest) const { return lag_.age(written_, stream_->unsent_bytes(), newest); }

}  // namespace vigie::sink
