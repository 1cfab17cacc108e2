#include "base/result.h"

namespace vigie {

std::string_view code_name(Code code) {
  switch (code) {
#define VIGIE_ERROR(name, number, python_base, sentence) \
  case Code::name: return #name;
#include "base/error_table.inc"
#undef VIGIE_ERROR
  }
  return "unknown";
}

std::string_view code_sentence(Code code) {
  switch (code) {
#define VIGIE_ERROR(name, number, python_base, sentence) \
  case Code::name: return sentence;
#include "base/error_table.inc"
#undef VIGIE_ERROR
  }
  return "Unknown error";
}

std::string Error::text() const {
  std::string out(code_sentence(code));
  if (!what.empty()) out.append(": ").append(what);
  if (!where.empty()) out.append(" (").append(where).append(")");
  return out;
}

}  // namespace vigie
