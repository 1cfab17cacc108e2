#pragma once
// For the tests of known deviations: one suite an id, `Tolerated` and `Strict`.
#include <gtest/gtest.h>

#include <string>

#include "base/quirk.h"
#include "base/result.h"

namespace vigie::rtsp {

inline Quirks strict_on(Quirk quirk) {
  Quirks quirks;
  quirks.strict.insert(quirk);
  return quirks;
}

// Ids in the order of the table, "A8 B7".
inline std::string ids(const QuirkSet& set) {
  std::string out;
  for (const std::string_view id : set.ids()) out.append(out.empty() ? "" : " ").append(id);
  return out;
}

// The error of a deviation that was not tolerated names it.
template <class T>
void expect_refused(const Result<T>& result, Code code, std::string_view id) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, code);
  EXPECT_NE(result.error().what.find("(" + std::string(id) + " is not tolerated)"), std::string::npos)
      << result.error().what;
}

}  // namespace vigie::rtsp
