#pragma once
// RTSP requests and responses as values, for the client, the server and the load generator alike.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/quirk.h"
#include "base/result.h"

namespace vigie::rtsp {

// The methods this engine knows; `other` stands for any token that is none of them.
enum class Method : uint8_t {
  options,
  describe,
  setup,
  play,
  pause,
  teardown,
  get_parameter,
  set_parameter,
  announce,
  record,
  redirect,
  other
};
// "OPTIONS" … "REDIRECT"; "OTHER" for `other`.
std::string_view method_name(Method method);
// Exact match first, then without regard to case (some devices announce "Describe" in Public).
Method method_from(std::string_view name);

struct Header {
  std::string name;
  std::string value;
  friend bool operator==(const Header&, const Header&) = default;
};

// Header lines in the order of the wire; names compare without regard to case, several of one name are kept.
class HeaderList {
 public:
  void add(std::string_view name, std::string_view value);
  // Replaces all headers of that name by one (at the place of the first).
  void set(std::string_view name, std::string_view value);
  void remove(std::string_view name);
  bool has(std::string_view name) const { return find(name) != nullptr; }
  // Value of the first header of that name; empty when there is none. The view lives as long as the list is unchanged.
  std::string_view get(std::string_view name) const;
  // Values of all headers of that name, in order.
  std::vector<std::string_view> get_all(std::string_view name) const;

  size_t size() const { return headers_.size(); }
  bool empty() const { return headers_.empty(); }
  auto begin() const { return headers_.begin(); }
  auto end() const { return headers_.end(); }
  friend bool operator==(const HeaderList&, const HeaderList&) = default;

 private:
  const Header* find(std::string_view name) const;
  std::vector<Header> headers_;
};

// Not checked: whether the method is allowed for that URI, whether required headers are there.
struct Request {
  std::string method;  // as on the wire; see method_from()
  std::string uri;
  std::string version = "RTSP/1.0";
  HeaderList headers;
  std::string body;

  Method method_id() const { return method_from(method); }
  // Empty when the header is missing or no number (A11).
  std::optional<uint32_t> cseq() const;
  friend bool operator==(const Request&, const Request&) = default;
};

struct Response {
  int status = 200;
  std::string reason;  // empty: serialise() writes the usual phrase
  std::string version = "RTSP/1.0";
  HeaderList headers;
  std::string body;

  bool success() const { return status >= 200 && status < 300; }
  std::optional<uint32_t> cseq() const;
  friend bool operator==(const Response&, const Response&) = default;
};

using Message = std::variant<Request, Response>;

// Bytes for the wire. CSeq goes first and is spelled exactly so (A9); Content-Length follows from the body and replaces
// any in the list. Control characters in values and reason become blanks, those and blanks in method and URI "%20", and
// a header whose name is no token is left out: nothing given can add a line.
std::string serialise(const Request& request);
std::string serialise(const Response& response);

// The usual phrase for a status ("Not Enough Bandwidth" for 453), "Unknown" for one outside RFC 2326 section 7.1.1.
std::string_view reason_phrase(int status);

// A message from its head (start line and headers, the closing blank line optional) and its body.
// Tolerates: bare LF, blanks at line ends (A10), no reason phrase (A8), folded lines, lines without a colon (skipped).
// A status with a blank and nothing behind it is an empty phrase, which is legal; so are blanks around an empty value.
// Errors: rtsp_malformed (a deviation that is not tolerated too), rtsp_too_large (more than `max_headers` lines).
Result<Message> parse_message(std::string_view head, std::string_view body, size_t max_headers = 128,
                              Quirks* quirks = nullptr);

// Content-Length of a parsed head: 0 when absent.
// Errors: rtsp_malformed when it is no number or given twice with different values.
Result<size_t> content_length(const HeaderList& headers);

}  // namespace vigie::rtsp
