#include "rtsp/ticket.h"

#include <algorithm>
#include <array>

#include "base/base64.h"
#include "rtsp/digest_hash.h"
#include "rtsp/text.h"

namespace vigie::rtsp {
namespace {

constexpr char kSeparator = '~';
constexpr size_t kFields = 8;
constexpr size_t kMaxSealed = 1024;

std::string url_base64(ByteSpan bytes) {
  std::string text = base64_encode(bytes);
  while (text.ends_with('=')) text.pop_back();
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

Error refusal(const char* what) { return make_error(Code::not_authorized, "ticket", what); }

std::string ns_text(WallTime time) { return std::to_string(Nanos(time.time_since_epoch()).count()); }

}  // namespace

std::string seal_ticket(const Ticket& ticket, ByteSpan key) {
  const StreamKey& stream = ticket.stream;
  const std::string form = stream.version.empty() ? stream.camera : stream.camera + "@" + stream.version;
  std::string text = "1";
  for (const std::string& field :
       {ticket.route, std::to_string(ticket.revision), ns_text(ticket.open_by),
        ticket.until ? ns_text(*ticket.until) : std::string("0"), ticket.agent, form, stream.stream}) {
    text += kSeparator;
    text += field;
  }
  return url_base64(as_bytes(text)) + "." + url_base64(hmac_sha256(key, text));
}

Result<Ticket> open_ticket(std::string_view sealed, ByteSpan key) {
  if (sealed.size() > kMaxSealed) return refusal("too long");
  const size_t dot = sealed.find('.');
  if (dot == std::string_view::npos) return refusal("not sealed");
  const auto bytes = base64_decode_tolerant(sealed.substr(0, dot));
  const auto given = base64_decode_tolerant(sealed.substr(dot + 1));
  if (!bytes || !given) return refusal("not base64");
  const std::string text(bytes->begin(), bytes->end());
  const std::array<uint8_t, 32> right = hmac_sha256(key, text);
  if (!constant_time_equal(as_text(right), as_text(*given))) {
    return refusal("not sealed by this installation");
  }
  std::array<std::string_view, kFields> fields;
  std::string_view rest = text;
  if (std::ranges::count(text, kSeparator) != kFields - 1) return refusal("of another form");
  for (std::string_view& field : fields) field = cut(rest, kSeparator);
  const auto revision = parse_number<uint64_t>(fields[2]);
  const auto open_by = parse_number<int64_t>(fields[3]);
  const auto until = parse_number<int64_t>(fields[4]);
  if (fields[0] != "1" || !revision || !open_by || !until) return refusal("of another form");
  Ticket ticket;
  ticket.route = fields[1];
  ticket.revision = *revision;
  ticket.open_by = WallTime(Nanos(*open_by));
  if (*until != 0) ticket.until = WallTime(Nanos(*until));
  ticket.agent = fields[5];
  const size_t at = fields[6].find('@');
  ticket.stream.camera = fields[6].substr(0, at);
  if (at != std::string_view::npos) ticket.stream.version = fields[6].substr(at + 1);
  ticket.stream.stream = fields[7];
  return ticket;
}

}  // namespace vigie::rtsp
