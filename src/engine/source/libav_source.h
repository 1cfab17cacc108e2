#pragma once
// Coded pictures out of a file, read ahead by a thread of its own through libavformat.
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

namespace vigie::source {

struct MediaFileInfo {
  Codec codec = Codec::h264;
  size_t length_size = 0;  // as ContainerConfig
  std::vector<std::vector<uint8_t>> parameter_sets;
  double framerate = 25;
  bool reordered = false;  // pictures are shown in another order than they are coded (B pictures)
  bool timed = true;       // the file says when each picture is decoded and shown
};

// One coded picture in decoding order. `media_time` begins at 0, strictly increases and goes on over all loops; it is
// the decoding time, because a live stream carries no picture before one it depends on.
struct MediaPacket {
  std::vector<uint8_t> bytes;
  Ticks90k media_time{0};
  Ticks90k presentation_offset{0};  // shown at media_time + presentation_offset
};

// Thread: the owner's, except where said.
class LibavReader {
 public:
  struct Limits {
    size_t packets = 48;
    size_t bytes = size_t{16} << 20;
  };
  // `wake` is called on the reader's thread whenever there is something new after take() found nothing.
  LibavReader(std::string path, bool loop, std::function<void()> wake, Limits limits);
  // Interrupts the reading and waits for the thread: as long as one disk read takes.
  ~LibavReader();
  LibavReader(const LibavReader&) = delete;
  LibavReader& operator=(const LibavReader&) = delete;

  // Known before the first packet can be taken.
  std::optional<MediaFileInfo> info() const;
  // The next packet, if one is ready.
  std::optional<MediaPacket> take();
  // Why no more packets will come, once all were taken: end_of_source, file_unreadable.
  std::optional<Error> ended() const;

 private:
  struct Pass;
  void run();
  // Reads the file once; empty when it is to be read again.
  std::optional<Error> read_once();
  bool put(MediaPacket packet);
  static int interrupted(void* self);

  const std::string path_;
  const bool loop_;
  const std::function<void()> wake_;
  const Limits limits_;
  std::atomic<bool> stop_{false};
  Ticks90k next_time_{0};  // reader's thread only

  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::optional<MediaFileInfo> info_;
  std::deque<MediaPacket> queue_;
  size_t queue_bytes_ = 0;
  bool hungry_ = true;  // the owner found nothing and wants to be woken
  std::optional<Error> ended_;
  std::thread thread_;
};

}  // namespace vigie::source
