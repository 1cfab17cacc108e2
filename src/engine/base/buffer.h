#pragma once
// Byte buffers that are filled once, then shared read-only, and the pool that recycles them.
//
//   BufferPool (one per shard) --make--> Buffer (unique, writable) --copy--> Buffer, Buffer … (shared, read-only)
//                                 ^------------- last release: back to the pool's free list ----------------+
//
// A buffer may outlive its pool's owner: the pool's core lives until the last buffer is gone.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace vigie {

class BufferPool;

namespace internal {
struct PoolCore;

// What lies before a buffer's bytes.
struct BufferBlock {
  std::atomic<uint32_t> refs{1};
  uint32_t size_class = 0;
  size_t capacity = 0;
  size_t size = 0;
  PoolCore* core = nullptr;  // null: from the heap
  BufferBlock* next_free = nullptr;

  uint8_t* bytes() { return reinterpret_cast<uint8_t*>(this + 1); }
};
}  // namespace internal

// One reference to a block of bytes. Copying adds a reference.
// Ownership: writable only while this is the sole reference (`unique()`); hand over, then never write again.
// Thread: references may be copied and dropped on any thread; the block returns to its pool's home shard. What takes
// memory (append, reserve, shrink) belongs to the pool's home thread, except for heap buffers.
class Buffer {
 public:
  Buffer() = default;
  // A unique buffer of `capacity` bytes from the heap, of no pool; any thread may make and grow it.
  static Buffer make_heap(size_t capacity);
  Buffer(const Buffer& other) : block_(other.block_) {
    if (block_) block_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  Buffer(Buffer&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  Buffer& operator=(Buffer other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~Buffer() {
    if (block_ && block_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) release(block_);
  }

  const uint8_t* data() const { return block_ ? block_->bytes() : nullptr; }
  size_t size() const { return block_ ? block_->size : 0; }
  size_t capacity() const { return block_ ? block_->capacity : 0; }
  bool empty() const { return size() == 0; }
  explicit operator bool() const { return block_ != nullptr; }
  std::span<const uint8_t> bytes() const { return {data(), size()}; }
  bool unique() const { return block_ && block_->refs.load(std::memory_order_acquire) == 1; }

  // Writable bytes [0, capacity). Only while unique() (asserted).
  uint8_t* mutable_data();
  // Sets how many of the capacity's bytes are valid. Only while unique().
  void set_size(size_t size);
  // Appends, moving to a larger block of the same pool when full. Only while unique().
  void append(std::span<const uint8_t> bytes);
  // Makes room for `capacity` bytes in all, keeping the content. Only while unique().
  void reserve(size_t capacity);
  // Moves the content to a smaller block when more than a third of this one is unused.
  void shrink();

 private:
  friend class BufferPool;
  using Block = internal::BufferBlock;
  explicit Buffer(Block* block) : block_(block) {}
  void move_to(size_t capacity);
  static void release(Block* block);
  Block* block_ = nullptr;
};

// Recycles blocks by size class (four per doubling, 256 B to 16 MiB; larger ones come from the heap); where a class has
// none, the next one's do. A full cache that has none of a class gives up what it has most of.
// Thread: `make` only on the home thread; release from anywhere, without a lock.
class BufferPool {
 public:
  // `cached_bytes_limit`: free blocks kept for reuse; beyond it, and beyond an eighth of the bytes in use, released
  // blocks go back to the heap.
  explicit BufferPool(size_t cached_bytes_limit = size_t{32} << 20);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // A unique buffer of at least `capacity` bytes and size 0.
  Buffer make(size_t capacity);
  // From enter_thread to leave_thread the calling thread is home: what it releases it gets next, while that is still in
  // its processor's cache. Without it every block takes the way of other threads'. A thread that ends must have left.
  void enter_thread();
  void leave_thread();
  // Bytes of blocks now in use outside the pool / kept free inside it.
  size_t bytes_in_use() const;
  size_t bytes_cached() const;

 private:
  internal::PoolCore* core_;
};

}  // namespace vigie
