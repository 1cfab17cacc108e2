#include "loadgen/digest.h"

#include <strings.h>

#include <initializer_list>

#include "base/base64.h"
#include "base/bytes.h"
#include "rtsp/digest_hash.h"

namespace vigie::loadgen {
namespace {

// Hex digest of the parts joined by colons. Only the hash function itself is shared with the engine.
std::string hash(bool sha256, std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text.append(part).append(1, ':');
  text.pop_back();
  return rtsp::hash_hex(sha256 ? rtsp::DigestAlgorithm::sha256 : rtsp::DigestAlgorithm::md5, text);
}

std::string response(bool sha256, const Credentials& credentials, std::string_view realm, std::string_view nonce,
                     std::string_view method, std::string_view uri, std::string_view qop, std::string_view nc,
                     std::string_view cnonce) {
  const std::string ha1 = hash(sha256, {credentials.user, realm, credentials.password});
  const std::string ha2 = hash(sha256, {method, uri});
  if (qop.empty()) return hash(sha256, {ha1, nonce, ha2});
  return hash(sha256, {ha1, nonce, nc, cnonce, qop, ha2});
}

bool is_scheme(std::string_view header, std::string_view scheme) {
  return header.size() > scheme.size() && strncasecmp(header.data(), scheme.data(), scheme.size()) == 0 &&
         header[scheme.size()] == ' ';
}

}  // namespace

std::string auth_parameter(std::string_view header, std::string_view name) {
  for (size_t at = header.find(' '); at != std::string_view::npos && at < header.size();) {
    while (at < header.size() && (header[at] == ' ' || header[at] == ',')) ++at;
    const size_t equals = header.find('=', at);
    if (equals == std::string_view::npos) return {};
    const std::string_view key = header.substr(at, equals - at);
    size_t begin = equals + 1, end = 0;
    if (begin < header.size() && header[begin] == '"') {
      end = header.find('"', ++begin);
      if (end == std::string_view::npos) return {};
      at = end + 1;
    } else {
      end = header.find(',', begin);
      if (end == std::string_view::npos) end = header.size();
      at = end;
    }
    if (key.size() == name.size() && strncasecmp(key.data(), name.data(), name.size()) == 0) {
      return std::string(header.substr(begin, end - begin));
    }
  }
  return {};
}

std::string digest_challenge(std::string_view realm, std::string_view nonce, bool sha256) {
  std::string text = "Digest realm=\"";
  text.append(realm).append("\", nonce=\"").append(nonce).append("\", qop=\"auth\", algorithm=");
  return text += sha256 ? "SHA-256" : "MD5";
}

bool digest_accepts(std::string_view header, std::string_view method, std::string_view realm, std::string_view nonce,
                    const Credentials& credentials) {
  if (!is_scheme(header, "Digest")) return false;
  if (auth_parameter(header, "username") != credentials.user || auth_parameter(header, "realm") != realm ||
      auth_parameter(header, "nonce") != nonce) {
    return false;
  }
  const bool sha256 = auth_parameter(header, "algorithm") == "SHA-256";
  const std::string expected =
      response(sha256, credentials, realm, nonce, method, auth_parameter(header, "uri"), auth_parameter(header, "qop"),
               auth_parameter(header, "nc"), auth_parameter(header, "cnonce"));
  return expected == auth_parameter(header, "response");
}

std::string answer_challenge(std::string_view challenge, std::string_view method, std::string_view uri,
                             const Credentials& credentials, std::string_view cnonce) {
  if (is_scheme(challenge, "Basic")) {
    return "Basic " + base64_encode(as_bytes(credentials.user + ":" + credentials.password));
  }
  if (!is_scheme(challenge, "Digest")) return {};
  const std::string algorithm = auth_parameter(challenge, "algorithm");
  if (!algorithm.empty() && algorithm != "MD5" && algorithm != "SHA-256") return {};
  const bool sha256 = algorithm == "SHA-256";
  const std::string realm = auth_parameter(challenge, "realm"), nonce = auth_parameter(challenge, "nonce");
  const bool with_qop = auth_parameter(challenge, "qop").find("auth") != std::string::npos;
  std::string text =
      "Digest username=\"" + credentials.user + "\", realm=\"" + realm + "\", nonce=\"" + nonce + "\", uri=\"";
  text.append(uri).append("\", response=\"");
  text += response(sha256, credentials, realm, nonce, method, uri, with_qop ? "auth" : "", "00000001", cnonce) + "\"";
  if (!algorithm.empty()) text += ", algorithm=" + algorithm;
  if (with_qop) text.append(", qop=auth, nc=00000001, cnonce=\"").append(cnonce).append("\"");
  if (const std::string opaque = auth_parameter(challenge, "opaque"); !opaque.empty()) {
    text += ", opaque=\"" + opaque + "\"";
  }
  return text;
}

}  // namespace vigie::loadgen
