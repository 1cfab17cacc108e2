#pragma once
// Coded pictures out of a file or a network stream, read by a thread of its own through libavformat.
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "media/codec.h"
#include "source/media_input.h"

namespace vigie::source {

struct MediaInfo {
  Codec codec = Codec::h264;
  size_t length_size = 0;  // as ContainerConfig
  std::vector<std::vector<uint8_t>> parameter_sets;
  double framerate = 25;
  bool reordered = false;  // pictures are shown in another order than they are coded (B pictures)
  bool timed = true;       // the container says when each picture is decoded and shown
  bool live = false;       // pictures come when they are to be shown; else they wait to be asked for
  std::string format;      // libavformat's name of it: "mpegts", "flv", "hls", …
};

// One coded picture in decoding order. `media_time` begins at 0, strictly increases and goes on over all loops; it is
// the decoding time, because a live stream carries no picture before one it depends on.
struct MediaPacket {
  std::vector<uint8_t> bytes;
  Ticks90k media_time{0};
  Ticks90k presentation_offset{0};                   // shown at media_time + presentation_offset
  bool gap = false;                                  // something is missing before or in it
  std::vector<std::vector<uint8_t>> parameter_sets;  // not empty: they changed, in force from here on
};

// Thread: the owner's, except where said.
class LibavReader {
 public:
  struct Limits {
    size_t packets = 48;
    size_t bytes = size_t{16} << 20;
  };
  // `wake` is called on the reader's thread whenever there is something new after take() found nothing.
  LibavReader(MediaInput input, std::function<void()> wake, Limits limits);
  // Interrupts the reading and waits for the thread: as long as one disk read takes, or a name's resolution.
  ~LibavReader();
  // Asks the thread to end, without waiting. Thread: any.
  void interrupt();
  // The thread has nothing more to do: the destructor will not wait. Thread: any.
  bool gone() const { return gone_.load(std::memory_order_acquire); }
  LibavReader(const LibavReader&) = delete;
  LibavReader& operator=(const LibavReader&) = delete;

  // Known before the first packet can be taken.
  std::optional<MediaInfo> info() const;
  // The next packet, if one is ready.
  std::optional<MediaPacket> take();
  // Why no more packets will come, once all were taken: end_of_source, file_unreadable; of the network connect_failed,
  // connection_lost.
  std::optional<Error> ended() const;

 private:
  struct Pass;
  void run();
  // Reads it once; empty when it came to its end.
  std::optional<Error> read_once();
  bool put(MediaPacket packet);
  static int interrupted(void* self);

  Error failed_open(int error) const;
  Error unreadable(std::string why) const;
  const MediaInput input_;
  const std::function<void()> wake_;
  const Limits limits_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> gone_{false};
  Ticks90k next_time_{0};  // reader's thread only

  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::optional<MediaInfo> info_;
  std::deque<MediaPacket> queue_;
  size_t queue_bytes_ = 0;
  bool hungry_ = true;  // the owner found nothing and wants to be woken
  std::optional<Error> ended_;
  std::thread thread_;
};

}  // namespace vigie::source
