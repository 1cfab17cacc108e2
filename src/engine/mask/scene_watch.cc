#include "mask/scene_watch.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace vigie::mask {
namespace {

constexpr std::string_view kMagic = "VGSR";
constexpr uint8_t kVersion = 1;
constexpr size_t kHeaderBytes = 12;
constexpr double kLeastCoverage = 0.05;  // of the blocks: three of sixty
constexpr double kLeastTexture = 0.25;   // of a strange picture, as a share of the reference's
constexpr double kDark = 30;             // mean luma

// A small pixel is hidden when any sample that it averages is.
SmallMask shrink_mask(const RowSpans& spans) {
  SmallMask mask;
  const uint64_t width = spans.width(), height = spans.height();
  for (uint32_t y = 0; y < height; ++y) {
    const uint64_t top = y * uint64_t{SmallPicture::kHeight} / height;
    const uint64_t bottom = ((y + 1) * uint64_t{SmallPicture::kHeight} + height - 1) / height;
    for (const Span& span : spans.row(y)) {
      const uint64_t left = span.begin * uint64_t{SmallPicture::kWidth} / width;
      const uint64_t right = (span.end * uint64_t{SmallPicture::kWidth} + width - 1) / width;
      for (uint64_t v = top; v < bottom; ++v) {
        for (uint64_t u = left; u < right; ++u) mask.set(v * SmallPicture::kWidth + u);
      }
    }
  }
  return mask;
}

Error bad_bytes(size_t position, std::string what) {
  return make_error(Code::invalid_argument, "scene reference, byte " + std::to_string(position), std::move(what));
}

Status check_recognisable(const SceneReference& reference) {
  if (reference.pattern().coverage() >= kLeastCoverage) return {};
  return make_error(Code::invalid_argument, "scene reference",
                    "too few edges outside the masks to recognise the view by; take a still in daylight, with "
                    "something that stands still outside the masks");
}

}  // namespace

SceneReference::SceneReference(const SmallPicture& picture, const SmallMask& hidden)
    : picture_(picture), hidden_(hidden), pattern_(picture, hidden) {}

Result<SceneReference> SceneReference::make(const SmallPicture& picture, const RowSpans& hidden) {
  const SmallMask mask = shrink_mask(hidden);
  SmallPicture kept = picture;
  for (size_t i = 0; i < kept.luma.size(); ++i) {
    if (mask[i]) kept.luma[i] = 0;
  }
  SceneReference reference(kept, mask);
  if (Status status = check_recognisable(reference); !status) return std::move(status).error();
  return reference;
}

std::vector<uint8_t> SceneReference::to_bytes() const {
  std::vector<uint8_t> bytes(kBytes);
  std::ranges::copy(as_bytes(kMagic), bytes.begin());
  bytes[4] = kVersion;
  store_be16(&bytes[8], SmallPicture::kWidth);
  store_be16(&bytes[10], SmallPicture::kHeight);
  uint8_t* luma = &bytes[kHeaderBytes + SmallPicture::kPixels / 8];
  for (size_t i = 0; i < SmallPicture::kPixels; ++i) {
    if (hidden_[i]) bytes[kHeaderBytes + i / 8] |= 0x80 >> i % 8;
    store_be16(luma + 2 * i, picture_.luma[i]);
  }
  return bytes;
}

Result<SceneReference> SceneReference::from_bytes(ByteSpan bytes) {
  if (bytes.size() != kBytes) {
    return bad_bytes(bytes.size(), std::to_string(bytes.size()) + " bytes; it has " + std::to_string(kBytes));
  }
  if (as_text(bytes.first(4)) != kMagic) return bad_bytes(0, "does not begin with VGSR");
  if (bytes[4] != kVersion) return bad_bytes(4, "version " + std::to_string(bytes[4]) + "; 1 is known");
  if (bytes[5] != 0 || bytes[6] != 0 || bytes[7] != 0) return bad_bytes(5, "must be zero");
  if (load_be16(&bytes[8]) != SmallPicture::kWidth || load_be16(&bytes[10]) != SmallPicture::kHeight) {
    return bad_bytes(8, "must be 160 x 90");
  }
  SmallPicture picture;
  SmallMask hidden;
  for (size_t i = 0; i < SmallPicture::kPixels; ++i) {
    const size_t at = kHeaderBytes + SmallPicture::kPixels / 8 + 2 * i;
    hidden[i] = (bytes[kHeaderBytes + i / 8] & 0x80 >> i % 8) != 0;
    picture.luma[i] = load_be16(&bytes[at]);
    if (picture.luma[i] > SmallPicture::kMost)
      return bad_bytes(at, "luma above " + std::to_string(SmallPicture::kMost));
    if (hidden[i] && picture.luma[i] != 0) return bad_bytes(at, "luma of a hidden pixel");
  }
  SceneReference reference(picture, hidden);
  if (Status status = check_recognisable(reference); !status) return std::move(status).error();
  return reference;
}

std::string_view verdict_kind_name(Verdict::Kind kind) {
  switch (kind) {
    case Verdict::Kind::same: return "same";
    case Verdict::Kind::shifted: return "shifted";
    case Verdict::Kind::strange: return "strange";
    case Verdict::Kind::unsure: break;
  }
  return "unsure";
}

SceneWatch::SceneWatch(SceneReference reference, SceneTolerance tolerance)
    : reference_(std::move(reference)), tolerance_(tolerance), shifted_(std::max(1U, tolerance.alarm_window)) {}

Verdict SceneWatch::look(const SmallPicture& picture) {
  Verdict verdict = judge(picture);
  remember(verdict.kind);
  verdict.cover = cover_;
  verdict.alarm = cover_ || unsure_in_a_row_ > tolerance_.unsure_limit;
  return verdict;
}

Verdict SceneWatch::judge(const SmallPicture& picture) const {
  const EdgeField field(picture);
  const Displacement found = reference_.pattern().find_in(field);
  Verdict verdict;
  const double evidence = found.evidence(), least = tolerance_.least_evidence;
  if (evidence >= least) {
    verdict.dx = found.dx / SmallPicture::kWidth;
    verdict.dy = found.dy / SmallPicture::kHeight;
    const bool moved = std::max(std::abs(verdict.dx), std::abs(verdict.dy)) > tolerance_.shift;
    verdict.kind = moved ? Verdict::Kind::shifted : Verdict::Kind::same;
    verdict.confidence = 1 - least / (2 * evidence);
  } else if (field.texture() >= kLeastTexture * reference_.pattern().texture()) {
    verdict.kind = Verdict::Kind::strange;
    verdict.confidence = 1 - evidence / (2 * least);
  } else {
    verdict.reason = field.brightness() < kDark ? Verdict::Reason::too_dark : Verdict::Reason::no_texture;
  }
  return verdict;
}

void SceneWatch::remember(Verdict::Kind kind) {
  if (kind == Verdict::Kind::unsure) {
    ++unsure_in_a_row_;
    return;
  }
  const bool same = kind == Verdict::Kind::same;
  unsure_in_a_row_ = 0;
  same_in_a_row_ = same ? same_in_a_row_ + 1 : 0;
  astray_in_a_row_ = same ? 0 : astray_in_a_row_ + 1;
  shifted_[next_] = kind == Verdict::Kind::shifted;
  next_ = (next_ + 1) % shifted_.size();
  const auto shifted = static_cast<uint32_t>(std::ranges::count(shifted_, true));
  if (same) {
    if (!seen_ || same_in_a_row_ >= tolerance_.back_after) {
      if (cover_) shifted_.assign(shifted_.size(), false);
      cover_ = false;
    }
    seen_ = true;
  } else if (!seen_ || shifted >= tolerance_.alarm_after || astray_in_a_row_ >= tolerance_.astray_after) {
    cover_ = true;
  }
}

}  // namespace vigie::mask
