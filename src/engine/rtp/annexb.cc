#include "rtp/annexb.h"

#include <algorithm>

#include "rtp/nal_kind.h"

namespace vigie::rtp {
namespace {

constexpr size_t kKindBytes = 3;  // of a NAL unit, to know its kind

}  // namespace

AnnexbSplitter::AnnexbSplitter(Codec codec, size_t max_unit_bytes) : codec_(codec), max_unit_bytes_(max_unit_bytes) {}

void AnnexbSplitter::push(ByteSpan piece) {
  if (begin_ > 0) {
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<ptrdiff_t>(begin_));
    scan_ -= begin_;
    unit_end_ -= std::min(unit_end_, begin_);
    begin_ = 0;
  }
  bytes_.insert(bytes_.end(), piece.begin(), piece.end());
}

void AnnexbSplitter::finish() { finished_ = true; }

// Looks for the end of the unit that begins at begin_.
void AnnexbSplitter::scan() {
  const ByteSpan all(bytes_);
  while (unit_end_ == 0) {
    const size_t code = find_start_code(all, scan_);
    if (code == all.size()) {
      // A start code may be half in; keep its bytes for the next scan.
      const size_t safe = all.size() - std::min<size_t>(all.size(), 3);
      scan_ = std::max(scan_, safe);
      if (!synced_) {
        dropped_bytes_ += scan_ - begin_;
        begin_ = scan_;
      } else if (finished_) {
        if (has_vcl_) {
          unit_end_ = all.size();
        } else {
          dropped_bytes_ += all.size() - begin_;
          begin_ = all.size();
        }
        scan_ = all.size();
      }
      return;
    }
    if (all.size() - code < 3 + kKindBytes && !finished_) {
      scan_ = code;
      return;
    }
    const size_t start = code > begin_ && all[code - 1] == 0 ? code - 1 : code;
    if (!synced_) {
      dropped_bytes_ += start - begin_;
      begin_ = start;
      synced_ = true;
    }
    scan_ = code + 3;
    if (scan_ >= all.size()) continue;
    const NalKind kind = nal_kind(codec_, all.subspan(scan_, std::min(kKindBytes, all.size() - scan_)));
    if (has_vcl_ && (kind.leads || kind.begins_picture)) {
      unit_end_ = start;
      has_vcl_ = kind.vcl;
    } else {
      has_vcl_ = has_vcl_ || kind.vcl;
    }
  }
}

bool AnnexbSplitter::pop(ByteSpan& unit) {
  for (;;) {
    if (unit_end_ == 0) scan();
    if (unit_end_ == 0) {
      if (bytes_.size() - begin_ <= max_unit_bytes_) return false;
      // A unit without end: begin anew at the next start code.
      dropped_bytes_ += scan_ - begin_;
      const bool stuck = scan_ == begin_;
      begin_ = scan_;
      synced_ = has_vcl_ = false;
      if (stuck) return false;
      continue;
    }
    const size_t size = unit_end_ - begin_;
    unit = ByteSpan(bytes_).subspan(begin_, size);
    begin_ = unit_end_;
    unit_end_ = 0;
    if (finished_ && begin_ == bytes_.size()) has_vcl_ = false;
    if (size == 0) continue;
    if (size <= max_unit_bytes_) return true;
    dropped_bytes_ += size;
  }
}

}  // namespace vigie::rtp
