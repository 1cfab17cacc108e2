#include "rtsp/sdp_quirks.h"

#include <algorithm>
#include <array>
#include <string>

#include "rtsp/text.h"

namespace vigie::rtsp {
namespace {

// The words of a value, as many as fit; `count` goes on beyond.
struct Words {
  std::array<std::string_view, 6> word;
  size_t count = 0;

  explicit Words(std::string_view value) {
    while (!(value = trim(value)).empty()) {
      const size_t end = std::min(value.find_first_of(" \t"), value.size());
      if (count < word.size()) word[count] = value.substr(0, end);
      ++count;
      value.remove_prefix(end);
    }
  }
};

bool is_number(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), is_digit); }

// "604800", "7d", "-1h".
bool is_typed_time(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (!text.empty() && std::string_view("dhms").find(text.back()) != std::string_view::npos) text.remove_suffix(1);
  return is_number(text);
}

bool is_network(std::string_view net, std::string_view address_type) {
  return net == "IN" && (address_type == "IP4" || address_type == "IP6");
}

bool is_origin(std::string_view value) {
  const Words words(value);
  return words.count == 6 && is_number(words.word[1]) && is_number(words.word[2]) &&
         is_network(words.word[3], words.word[4]);
}

bool is_connection(std::string_view value) {
  const Words words(value);
  return words.count == 3 && is_network(words.word[0], words.word[1]);
}

bool is_time(std::string_view value) {
  const Words words(value);
  return words.count == 2 && is_number(words.word[0]) && is_number(words.word[1]);
}

bool is_repeat(std::string_view value) {
  const Words words(value);
  const size_t seen = std::min(words.count, words.word.size());
  return words.count >= 3 && std::all_of(words.word.begin(), words.word.begin() + seen, is_typed_time);
}

// RFC 8866 section 8.2.2, RFC 6466, and two words of RFC 2327.
bool is_media_type(std::string_view type) {
  constexpr std::string_view kTypes[] = {"audio",   "video", "text", "application",
                                         "message", "image", "data", "control"};
  return std::any_of(std::begin(kTypes), std::end(kTypes), [type](auto known) { return iequals(known, type); });
}

// Lines of the session part in their order; those of one rank may mix. 0: not of that part.
int rank(char type) {
  constexpr std::string_view kOrder = "vosiuepcbtka";
  if (type == 'r' || type == 'z') type = 't';
  return static_cast<int>(kOrder.find(type) + 1);  // npos + 1 is 0
}
// Those of them that stand in no media part.
bool is_session_only(char type) { return std::string_view("vosueptrz").find(type) != std::string_view::npos; }

class Reader {
 public:
  explicit Reader(Quirks& quirks) : quirks_(quirks) {}

  // `line` without its line feed.
  void take(std::string_view line, bool ended) {
    ++number_;
    if (!ended || !line.ends_with('\r')) note(Quirk::B7, "has no CR LF at its end");
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool blank_end = !line.empty() && is_blank(line.back());
    line = trim(line);
    if (line.empty()) note(Quirk::B7, "is blank");
    if (line.size() < 2 || line[1] != '=') return;
    take_line(line[0], trim(line.substr(2)), blank_end);
  }

  Status end() {
    number_ = 0;
    if (!has_origin_) note(Quirk::B1, "there is no o= line");
    if (names_ == 0) note(Quirk::B2, "there is no s= line");
    if (!has_time_) note(Quirk::B4, "there is no t= line");
    if (!refusal_.empty()) return make_error(Code::sdp_malformed, "SDP", std::move(refusal_));
    return {};
  }

 private:
  void take_line(char type, std::string_view value, bool blank_end) {
    if (type == 's' && ++names_ > 1) {
      note(Quirk::B2, "is a second s=");
      return;
    }
    take_order(type);
    switch (type) {
      case 'o':
        has_origin_ = true;
        if (!is_origin(value)) note(Quirk::B5, "is an o= without its six parts");
        break;
      case 'c':
        if (!is_connection(value)) note(Quirk::B3, "is a c= without its three parts");
        break;
      case 't':
        has_time_ = true;
        if (!is_time(value)) note(Quirk::B4, "is a t= without two numbers");
        break;
      case 'r':
        if (!is_repeat(value)) note(Quirk::B4, "is an r= without three times");
        break;
      case 'm':
        in_media_ = true;
        if (!is_media_type(value.substr(0, value.find_first_of(" \t")))) note(Quirk::B8, "has an unknown media type");
        break;
      case 'a': {
        const std::string_view name = trim(cut(value, ':'));
        if (iequals(name, "rtpmap") && blank_end) note(Quirk::B12, "is an rtpmap that ends in blanks");
        if (iequals(name, "fmtp") && Words(value).count == 1) note(Quirk::B11, "is an fmtp without parameters");
        break;
      }
      default: break;
    }
  }

  void take_order(char type) {
    if (in_media_) {
      if (is_session_only(type)) note(Quirk::B6, "belongs before the medias");
    } else if (const int place = rank(type); place > 0) {
      if (place < rank_) note(Quirk::B6, "is out of order");
      rank_ = std::max(rank_, place);
    }
  }

  void note(Quirk quirk, std::string_view what) {
    if (quirks_.tolerate(quirk) || !refusal_.empty()) return;
    if (number_ > 0) refusal_ = "line " + std::to_string(number_) + " ";
    refusal_ = not_tolerated(refusal_.append(what), quirk);
  }

  Quirks& quirks_;
  std::string refusal_;
  size_t number_ = 0;
  size_t names_ = 0;
  int rank_ = 0;
  bool has_origin_ = false;
  bool has_time_ = false;
  bool in_media_ = false;
};

}  // namespace

Status note_sdp_quirks(std::string_view text, Quirks& quirks) {
  Reader reader(quirks);
  while (!text.empty()) {
    const bool ended = text.find('\n') != std::string_view::npos;
    reader.take(cut(text, '\n'), ended);
  }
  return reader.end();
}

}  // namespace vigie::rtsp
