#pragma once
// Which samples of a picture are private: polygons rasterised to spans, a row at a time.
#include <cstdint>
#include <span>
#include <vector>

#include "media/codec.h"
#include "policy/snapshot.h"

namespace vigie::mask {

// Luma columns of one row, [begin, end).
struct Span {
  uint32_t begin = 0, end = 0;
  friend bool operator==(const Span&, const Span&) = default;
};

// The hidden part of a picture of width x height luma samples. Shape: spans of a row are sorted and neither overlap nor
// touch; they begin and end at even columns (or at the picture's edge), and rows 2c and 2c + 1 have the same ones, so
// that chroma row c of a 4:2:0 picture is hidden exactly where they are, halved.
class RowSpans {
 public:
  RowSpans() = default;  // of no picture: 0 x 0
  static RowSpans whole(uint32_t width, uint32_t height);

  uint32_t width() const { return width_; }
  uint32_t height() const { return height_; }
  // Of luma row y, y < height().
  std::span<const Span> row(uint32_t y) const {
    return std::span(spans_).subspan(pair_begin_[y / 2], pair_begin_[y / 2 + 1] - pair_begin_[y / 2]);
  }
  // Hidden luma samples.
  uint64_t area() const;
  bool contains(uint32_t x, uint32_t y) const;
  bool covers_all() const { return area() == uint64_t{width_} * height_; }
  friend bool operator==(const RowSpans&, const RowSpans&) = default;

 private:
  friend class SpanBuilder;
  uint32_t width_ = 0, height_ = 0;
  std::vector<uint32_t> pair_begin_;  // of row pair c: index into spans_; one more at the end
  std::vector<Span> spans_;
};

// By how many luma samples a mask grows to each side.
struct Widening {
  uint32_t x = 0, y = 0;
  friend bool operator==(const Widening&, const Widening&) = default;
};

// How far a source's own coding may carry private samples outward, by deblocking and ringing.
// Source: requirement M-7.
Widening widening_for(Codec source, bool interlaced);

// Makes RowSpans of polygons; keeps its memory from one picture to the next. It works on a bitmap of 2 x 2 luma
// samples a bit, which is what 4:2:0 can hide one by one.
//   builder.clear(); builder.add_polygon(…)…; builder.widen(…); builder.build(1920, 1080, spans);
// Thread: one at a time.
class SpanBuilder {
 public:
  // Forgets polygons and widening.
  void clear();

  // Adds one private place. Each polygon is filled by itself (non-zero winding: a self-crossing one hides all that it
  // goes round) and the result is their union. Corners may lie outside the picture; what is outside is cut off before
  // the widening, since nothing was coded there. Fewer than three corners hide what they touch, a line or a point.
  // A corner that is not a number, or farther than a million pictures away, hides the whole picture.
  // Units: shares of the picture's width and height, from its top left corner.
  void add_polygon(std::span<const policy::MaskPoint> points);

  // Grows the union by a rectangle: by dx luma samples to the left and right and dy up and down, each rounded up to
  // even. The last call counts.
  void widen(uint32_t dx, uint32_t dy);

  // Every luma sample whose square (its left and upper side included) a polygon touches, widened, then grown to even
  // columns and rows. May be called for several sizes. Does not allocate once `into` and the builder have grown.
  void build(uint32_t width, uint32_t height, RowSpans& into);
  RowSpans build(uint32_t width, uint32_t height);

 private:
  struct Edge {
    double x0, y0, x1, y1;  // y0 <= y1, in bits of the bitmap
    double slope;           // dx / dy
    bool down;
  };
  void rasterise(std::span<const policy::MaskPoint> points, uint32_t width, uint32_t height);
  void collect_edges(std::span<const policy::MaskPoint> points, uint32_t width, uint32_t height);
  void draw_edges();
  void draw_inside();
  void set_bits(uint32_t row, int64_t first, int64_t last);
  void widen_rows(uint32_t count);
  void extract(RowSpans& into) const;

  std::vector<policy::MaskPoint> points_;
  std::vector<size_t> polygon_end_;
  bool everything_ = false;
  Widening widening_;

  uint32_t rows_ = 0, columns_ = 0, words_ = 0;  // of the bitmap; words a row
  int64_t widen_columns_ = 0;
  std::vector<uint64_t> bits_;
  std::vector<Edge> edges_;
  std::vector<uint32_t> crossing_end_;  // by row
  std::vector<uint32_t> crossings_;     // (column + 1) * 2 + down, by row
};

}  // namespace vigie::mask
