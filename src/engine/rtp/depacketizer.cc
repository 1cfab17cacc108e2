#include "rtp/depacketizer.h"

#include "rtp/h264_depacketizer.h"
#include "rtp/h265_depacketizer.h"
#include "rtp/jpeg_depacketizer.h"

namespace vigie::rtp {

Depacketizer::Depacketizer(const DepacketizerConfig& config, BufferPool& pool)
    : config_(config),
      pool_(pool),
      timeline_(config.clock_rate, config.quirks),
      wall_clock_(config.clock_rate, config.quirks),
      parameter_sets_(config.codec, config.quirks) {}

void Depacketizer::restart_clocks() {
  timeline_.restart();
  wall_clock_.restart();
  have_last_timestamp_ = false;
}

bool Depacketizer::refuses_twin(uint32_t timestamp, bool second_field) {
  const bool twin = is_twin(timestamp);
  have_last_timestamp_ = true;
  last_timestamp_ = timestamp;
  return twin && !second_field && !tolerate(Quirk::I5);
}

Result<std::unique_ptr<Depacketizer>> Depacketizer::make(const DepacketizerConfig& config, BufferPool& pool) {
  using Made = std::unique_ptr<Depacketizer>;
  switch (config.codec) {
    case Codec::h264: return Made(std::make_unique<H264Depacketizer>(config, pool));
    case Codec::h265: return Made(std::make_unique<H265Depacketizer>(config, pool));
    case Codec::mjpeg: return Made(std::make_unique<JpegDepacketizer>(config, pool));
  }
  return make_error(Code::invalid_argument, "codec", "must be H264, H265 or JPEG");
}

}  // namespace vigie::rtp
