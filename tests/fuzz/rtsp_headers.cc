// URLs, Transport, Session, Range, RTP-Info, Public, challenges and Authorization from any text.
// Input: 1 byte that chooses the parser, then the text (two texts, cut at the first line feed, where two are needed).
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "rtsp/digest.h"
#include "rtsp/text.h"
#include "rtsp/transport.h"
#include "rtsp/url.h"

namespace {

using namespace vigie;
using namespace vigie::rtsp;

constexpr char kUser[] = "fuzz\"user\\";
constexpr char kPassword[] = "pa55w0rd-seen-nowhere";
constexpr MonoTime kNow{Nanos(1'000'000'000)};

void require(bool holds) {
  if (!holds) std::abort();
}

bool has_control(std::string_view text) { return std::any_of(text.begin(), text.end(), is_control); }

void check_url(std::string_view text) {
  const auto url = Url::parse(text);
  if (!url) return;
  require(!url->host.empty() && url->port != 0);
  const std::string shown = url->without_credentials();
  require(!has_control(shown));
  auto back = Url::parse(shown);
  require(back.ok() && !back->has_credentials());
  back->user = url->user;
  back->password = url->password;
  back->host.append(url->host.substr(std::min(url->host.find('%'), url->host.size())));
  if (url->host.find(':') == std::string::npos) back->host = url->host;
  require(*back == *url && back->without_credentials() == shown);
}

void check_joining(std::string_view text) {
  const std::string_view first = cut(text, '\n');
  const std::string base = *choose_base(first, {}, "rtsp://10.0.0.1/live");
  require(Url::parse(base).ok() && !Url::parse(base)->has_credentials());
  const auto candidates = control_candidates(base, text);
  require(!candidates.empty() && candidates.size() <= 4 && candidates.front() == resolve_control(base, text));
  for (size_t i = 0; i < candidates.size(); ++i) {
    require(std::find(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(i), candidates[i]) ==
            candidates.begin() + static_cast<std::ptrdiff_t>(i));
  }
  Quirks strict;
  for (const Quirk quirk : {Quirk::A1, Quirk::A2, Quirk::A3}) strict.strict.insert(quirk);
  const auto written = choose_base(first, {}, "rtsp://10.0.0.1/live", &strict);
  require(written.ok() == strict.seen.empty() && (!written.ok() || *written == base));
  resolve_control(first, text);
  control_candidates(first, text);
  strip_credentials(text);
  require(digest_uri_matches(first, text) == digest_uri_matches(text, first));
}

void check_transport(std::string_view text) {
  const auto list = parse_transport(text);
  if (!list) return;
  require(!list->empty() && list->size() <= 16);
  const auto once = parse_transport(format_transport(*list));
  require(once.ok() && once->size() == list->size());
  const auto twice = parse_transport(format_transport(*once));
  require(twice.ok() && *twice == *once);
  Quirks quirks;
  require(*parse_transport(text, &quirks) == *list);
  Quirks strict{quirks.seen, {}};
  require(parse_transport(text, &strict)->size() == list->size());
}

void check_small_headers(std::string_view text) {
  if (auto session = parse_session(text)) {
    const auto back = parse_session(format_session(*session));
    session->blanks = false;
    require(back.ok() && *back == *session);
  }
  if (const auto range = parse_range(text)) {
    const auto once = parse_range(format_range(*range));
    require(once.ok() && (range->unit != RangeHeader::Unit::npt || *once == *range));
    require(*parse_range(format_range(*once)) == *once);
  }
  const auto info = parse_rtp_info(text);
  require(info.size() <= 64);
  const auto once = parse_rtp_info(format_rtp_info(info));
  require(parse_rtp_info(format_rtp_info(once)) == once);
  const MethodSet methods = parse_methods(text);
  require(parse_methods(format_methods(methods)) == methods);
}

void check_challenge(std::string_view text) {
  HeaderList headers;
  const bool quoted_back = text.find(kPassword) != std::string_view::npos;  // a challenge that guessed it
  while (!text.empty()) headers.add("WWW-Authenticate", cut(text, '\n'));
  require(parse_challenges(headers).size() <= 16);
  ClientAuth client(kUser, kPassword);
  int rounds = 0;
  while (client.on_unauthorized(headers) == ClientAuth::Next::retry) {
    require(++rounds <= 32);  // a device that always says 401 is given up
    const std::string value = client.authorization("DESCRIBE", "rtsp://h/cam", "00112233");
    require(!has_control(value) && (quoted_back || value.find(kPassword) == std::string::npos));
    const auto back = parse_authorization(value);
    require(back.ok() && back->user == kUser);
    require(back->scheme == AuthScheme::basic || (back->uri == "rtsp://h/cam" && back->password.empty()));
  }
  require(!client.ready());
}

void check_authorization(std::string_view text) {
  const auto given = parse_authorization(text);
  const ServerAuth server({}, NonceMaker::Key{1, 2, 3});
  const Secret secret{kPassword, {}, {}};
  if (given) {
    // Nobody guesses the nonce's HMAC.
    require(server.verify(*given, "PLAY", given->uri, {}, &secret, kNow, "1") == ServerAuth::Verdict::refused);
  } else {
    require(given.error().code == Code::rtsp_malformed);
  }

  // A client that was asked by our server gets in, whatever its name, password and URI are.
  const std::string user(cut(text, '\n'));
  const std::string password(cut(text, '\n'));
  if (has_control(user) || has_control(text) || text.empty() || password.empty()) return;
  HeaderList headers;
  for (const auto& value : server.challenges(kNow, "1", false)) headers.add("WWW-Authenticate", value);
  ClientAuth client(user, password);
  const Secret right{password, {}, {}};
  require(client.on_unauthorized(headers) == ClientAuth::Next::retry);
  const auto answer = parse_authorization(client.authorization("PLAY", text, "0011"));
  require(answer.ok());
  require(server.verify(*answer, "PLAY", text, {}, &right, kNow, "1") == ServerAuth::Verdict::accepted);
  require(server.verify(*answer, "PLAY", text, {}, &secret, kNow, "1") ==
          (password == kPassword ? ServerAuth::Verdict::accepted : ServerAuth::Verdict::refused));
  require(server.verify(*answer, "PLAY", text, {}, nullptr, kNow, "1") == ServerAuth::Verdict::refused);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 16 * 1024) return 0;
  const std::string_view text = as_text({data + 1, size - 1});
  switch (data[0] % 6) {
    case 0: check_url(text); break;
    case 1: check_joining(text); break;
    case 2: check_transport(text); break;
    case 3: check_small_headers(text); break;
    case 4: check_challenge(text); break;
    case 5: check_authorization(text); break;
  }
  return 0;
}
