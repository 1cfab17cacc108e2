#pragma once
// How often a test program took memory from the heap, for tests that hold a steady state to none. A program that calls
// heap_calls() gets replaced operators new and delete, which count (LINKS vigie_heap_count).
#include <cstdint>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define VIGIE_HEAP_IS_SANITIZED 1
#endif
#endif
#if !defined(VIGIE_HEAP_IS_SANITIZED) && (defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__))
#define VIGIE_HEAP_IS_SANITIZED 1
#endif

namespace vigie {

// Sanitizers bring a heap of their own: nothing is counted there, and heap_calls() is always 0.
#ifdef VIGIE_HEAP_IS_SANITIZED
inline constexpr bool kHeapIsCounted = false;
#else
inline constexpr bool kHeapIsCounted = true;
#endif

// Calls of operator new so far, by all threads. Thread: any.
uint64_t heap_calls();

}  // namespace vigie
