#include "test_certificates.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace vigie::net {
namespace {

constexpr long kHour = 3600;

struct Deleter {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(FILE* file) const { std::fclose(file); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter>;
using CertificatePtr = std::unique_ptr<X509, Deleter>;

struct Identity {
  KeyPtr key;
  CertificatePtr certificate;
};

struct Wish {
  std::string name;
  bool authority = false;
  std::string hosts;  // subjectAltName
  long from_s = -kHour;
  long until_s = 24 * kHour;
  const char* passphrase = nullptr;
};

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Deleter> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  ASSERT_TRUE(extension) << value;
  X509_add_ext(certificate, extension.get(), -1);
}

Identity make_identity(const TestCertificates& files, const Wish& wish, const Identity* issuer) {
  static long serial = 1;
  Identity out{KeyPtr(EVP_EC_gen("P-256")), CertificatePtr(X509_new())};
  X509* certificate = out.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), wish.from_s);
  X509_gmtime_adj(X509_getm_notAfter(certificate), wish.until_s);
  X509_set_pubkey(certificate, out.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(wish.name.c_str()), -1, -1, 0);
  X509* signer = issuer ? issuer->certificate.get() : certificate;
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  add_extension(certificate, signer, NID_basic_constraints, wish.authority ? "critical,CA:TRUE" : "CA:FALSE");
  if (wish.authority) add_extension(certificate, signer, NID_key_usage, "critical,keyCertSign");
  if (!wish.hosts.empty()) add_extension(certificate, signer, NID_subject_alt_name, wish.hosts);
  EXPECT_GT(X509_sign(certificate, issuer ? issuer->key.get() : out.key.get(), EVP_sha256()), 0);

  const std::unique_ptr<FILE, Deleter> certificate_file(std::fopen(files.certificate(wish.name).c_str(), "w"));
  const std::unique_ptr<FILE, Deleter> key_file(std::fopen(files.key(wish.name).c_str(), "w"));
  EXPECT_TRUE(certificate_file && key_file);
  EXPECT_EQ(PEM_write_X509(certificate_file.get(), certificate), 1);
  EXPECT_EQ(PEM_write_PKCS8PrivateKey(key_file.get(), out.key.get(), wish.passphrase ? EVP_aes_128_cbc() : nullptr,
                                      nullptr, 0, nullptr, const_cast<char*>(wish.passphrase)),
            1);
  return out;
}

}  // namespace

TestCertificates::TestCertificates() {
  std::string pattern = (std::filesystem::temp_directory_path() / "vigie-tls-XXXXXX").string();
  folder_ = mkdtemp(pattern.data());
  const std::string hosts = "DNS:camera.test,IP:127.0.0.1,IP:::1";
  const Identity ca = make_identity(*this, {.name = "ca", .authority = true}, nullptr);
  make_identity(*this, {.name = "other_ca", .authority = true}, nullptr);
  make_identity(*this, {.name = "good", .hosts = hosts}, &ca);
  make_identity(*this, {.name = "expired", .hosts = hosts, .from_s = -48 * kHour, .until_s = -kHour}, &ca);
  make_identity(*this, {.name = "future", .hosts = hosts, .from_s = kHour}, &ca);
  make_identity(*this, {.name = "nameless"}, &ca);
  make_identity(*this, {.name = "self_signed", .hosts = hosts}, nullptr);
  make_identity(*this, {.name = "locked", .hosts = hosts, .passphrase = "secret"}, &ca);
}

TestCertificates::~TestCertificates() { std::filesystem::remove_all(folder_); }

void TestCertificates::copy(const std::string& from, const std::string& to) const {
  std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
}

}  // namespace vigie::net
