#pragma once
// Two authorities and some certificates, made by OpenSSL in a temporary folder that goes with the object.
#include <memory>
#include <string>

namespace vigie::net {

// "ca" and "other_ca" are authorities. Signed by "ca", for DNS camera.test, IP 127.0.0.1 and ::1: "good", "expired",
// "future"; "nameless" without any name; "self_signed" by itself. "locked" has a key behind a passphrase.
class TestCertificates {
 public:
  TestCertificates();
  ~TestCertificates();
  TestCertificates(const TestCertificates&) = delete;
  TestCertificates& operator=(const TestCertificates&) = delete;

  std::string path(const std::string& file) const { return folder_ + "/" + file; }
  std::string certificate(const std::string& name) const { return path(name + ".crt"); }
  std::string key(const std::string& name) const { return path(name + ".key"); }
  void copy(const std::string& from, const std::string& to) const;

 private:
  std::string folder_;
};

}  // namespace vigie::net
