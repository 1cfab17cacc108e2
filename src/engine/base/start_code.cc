#include "base/start_code.h"

#include <algorithm>
#include <cstring>

namespace vigie {

size_t find_start_code(ByteSpan bytes, size_t from) {
  const uint8_t* const data = bytes.data();
  for (size_t at = from + 2; at < bytes.size(); ++at) {
    const void* one = std::memchr(data + at, 1, bytes.size() - at);
    if (!one) break;
    at = static_cast<size_t>(static_cast<const uint8_t*>(one) - data);
    if (data[at - 1] == 0 && data[at - 2] == 0) return at - 2;
  }
  return bytes.size();
}

NalWalker::NalWalker(ByteSpan annexb) : bytes_(annexb), at_(std::min(find_start_code(annexb) + 3, annexb.size())) {}

bool NalWalker::next(ByteSpan& nal) {
  while (at_ < bytes_.size()) {
    const size_t code = find_start_code(bytes_, at_);
    size_t end = code;
    while (end > at_ && bytes_[end - 1] == 0) --end;  // trailing_zero_8bits, or the fourth byte of the next start code
    nal = bytes_.subspan(at_, end - at_);
    at_ = std::min(code + 3, bytes_.size());
    if (!nal.empty()) return true;
  }
  return false;
}

}  // namespace vigie
