#include "base/rbsp.h"

namespace vigie {

Rbsp::Rbsp(ByteSpan nal, size_t header_bytes) {
  unsigned zeros = 0;
  for (size_t i = header_bytes; i < nal.size() && size_ < kMaxBytes; ++i) {
    if (zeros >= 2 && nal[i] == 3) {
      zeros = 0;
      continue;
    }
    zeros = nal[i] == 0 ? zeros + 1 : 0;
    bytes_[size_++] = nal[i];
  }
}

}  // namespace vigie
