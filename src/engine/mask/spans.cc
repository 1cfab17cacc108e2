#include "mask/spans.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace vigie::mask {
namespace {

// Farther corners would cost precision: at this distance a place in the picture is still known to 1e-6 samples.
constexpr double kFarthest = 1e6;
constexpr uint32_t kWordBits = 64;

bool usable(const policy::MaskPoint& p) { return std::abs(p.x) <= kFarthest && std::abs(p.y) <= kFarthest; }

// `value` rounded down, and brought into [low, high].
int64_t floor_within(double value, int64_t low, int64_t high) {
  if (value < static_cast<double>(low)) return low;
  if (value >= static_cast<double>(high)) return high;
  const auto whole = static_cast<int64_t>(value);  // cheaper than std::floor, which is a call
  return static_cast<double>(whole) > value ? whole - 1 : whole;
}

int64_t ceil_within(double value, int64_t low, int64_t high) {
  if (value <= static_cast<double>(low)) return low;
  if (value > static_cast<double>(high)) return high;
  return static_cast<int64_t>(std::ceil(value));
}

// The first column at or after `from` whose bit is `wanted`, or `columns`.
uint32_t find_bit(const uint64_t* row, uint32_t from, uint32_t columns, bool wanted) {
  const uint64_t flip = wanted ? 0 : ~uint64_t{0};
  for (uint32_t at = from; at < columns; at = (at / kWordBits + 1) * kWordBits) {
    const uint64_t word = (row[at / kWordBits] ^ flip) >> at % kWordBits;
    if (word != 0) return std::min(at + static_cast<uint32_t>(std::countr_zero(word)), columns);
  }
  return columns;
}

void or_into(uint64_t* to, const uint64_t* from, uint32_t words) {
  for (uint32_t i = 0; i < words; ++i) to[i] |= from[i];
}

// Calls step(s) for steps that double what is reached, `count` in all.
template <class Step>
void double_up(uint32_t count, Step step) {
  for (uint32_t reached = 0; reached < count;) {
    const uint32_t by = std::min(reached + 1, count - reached);
    step(by);
    reached += by;
  }
}

}  // namespace

RowSpans RowSpans::whole(uint32_t width, uint32_t height) {
  RowSpans spans;
  spans.width_ = width;
  spans.height_ = height;
  const uint32_t pairs = (height + 1) / 2;
  const uint32_t each = width == 0 ? 0 : 1;
  for (uint32_t pair = 0; pair <= pairs; ++pair) spans.pair_begin_.push_back(pair * each);
  spans.spans_.assign(size_t{pairs} * each, Span{0, width});
  return spans;
}

uint64_t RowSpans::area() const {
  uint64_t sum = 0;
  for (uint32_t y = 0; y < height_; ++y) {
    for (const Span& span : row(y)) sum += span.end - span.begin;
  }
  return sum;
}

bool RowSpans::contains(uint32_t x, uint32_t y) const {
  if (x >= width_ || y >= height_) return false;
  const auto spans = row(y);
  return std::any_of(spans.begin(), spans.end(), [x](const Span& span) { return span.begin <= x && x < span.end; });
}

Widening widening_for(Codec source, bool interlaced) {
  // H.264's deblocking and MJPEG's ringing stay within a macroblock; H.265's reach beyond its largest transform by the
  // samples that deblocking and SAO change.
  constexpr uint32_t kMacroblock = 16, kTransform = 32, kFilters = 4;
  const uint32_t luma = source == Codec::h265 ? kTransform + kFilters : kMacroblock;
  return {luma, interlaced ? 2 * luma : luma};
}

void SpanBuilder::clear() {
  points_.clear();
  polygon_end_.clear();
  everything_ = false;
  widening_ = {};
}

void SpanBuilder::add_polygon(std::span<const policy::MaskPoint> points) {
  if (!std::all_of(points.begin(), points.end(), usable)) {
    everything_ = true;
    return;
  }
  points_.insert(points_.end(), points.begin(), points.end());
  polygon_end_.push_back(points_.size());
}

void SpanBuilder::widen(uint32_t dx, uint32_t dy) { widening_ = {dx, dy}; }

RowSpans SpanBuilder::build(uint32_t width, uint32_t height) {
  RowSpans spans;
  build(width, height, spans);
  return spans;
}

void SpanBuilder::build(uint32_t width, uint32_t height, RowSpans& into) {
  into.width_ = width;
  into.height_ = height;
  rows_ = (height + 1) / 2;
  columns_ = (width + 1) / 2;
  words_ = (columns_ + kWordBits - 1) / kWordBits;
  widen_columns_ = widening_.x / 2 + widening_.x % 2;
  bits_.assign(size_t{rows_} * words_, everything_ ? ~uint64_t{0} : 0);
  if (!everything_) {
    size_t begin = 0;
    for (const size_t end : polygon_end_) {
      rasterise(std::span(points_).subspan(begin, end - begin), width, height);
      begin = end;
    }
    widen_rows(widening_.y / 2 + widening_.y % 2);
  }
  extract(into);
}

void SpanBuilder::rasterise(std::span<const policy::MaskPoint> points, uint32_t width, uint32_t height) {
  if (rows_ == 0 || columns_ == 0 || points.empty()) return;
  collect_edges(points, width, height);
  draw_edges();
  draw_inside();
}

// The edges that reach the bitmap's rows, and how many of them cross the upper side of each row.
void SpanBuilder::collect_edges(std::span<const policy::MaskPoint> points, uint32_t width, uint32_t height) {
  const double x_scale = width / 2.0, y_scale = height / 2.0;
  edges_.clear();
  crossing_end_.assign(size_t{rows_} + 1, 0);
  for (size_t i = 0; i < points.size(); ++i) {
    const policy::MaskPoint &a = points[i], &b = points[i + 1 == points.size() ? 0 : i + 1];
    const bool down = a.y <= b.y;
    const policy::MaskPoint &upper = down ? a : b, &lower = down ? b : a;
    Edge edge{upper.x * x_scale, upper.y * y_scale, lower.x * x_scale, lower.y * y_scale, 0, down};
    if (edge.y1 < 0 || edge.y0 >= rows_) continue;
    if (edge.y1 > edge.y0) edge.slope = (edge.x1 - edge.x0) / (edge.y1 - edge.y0);
    edges_.push_back(edge);
    ++crossing_end_[ceil_within(edge.y0, 0, rows_)];  // a difference for now: starts less ends
    --crossing_end_[ceil_within(edge.y1, 0, rows_)];
  }
  uint32_t crossing = 0, sum = 0;
  for (uint32_t& end : crossing_end_) {  // becomes where the row's crossings begin; draw_edges moves it to their end
    crossing += end;
    end = sum;
    sum += crossing;
  }
  crossings_.resize(sum);
}

// Sets every bit that an edge touches, and notes where the edges cross the rows' upper sides.
void SpanBuilder::draw_edges() {
  const int64_t bottom = int64_t{rows_} - 1;
  for (const Edge& edge : edges_) {
    const auto [left, right] = std::minmax(edge.x0, edge.x1);
    const auto column_at = [&, left = left, right = right](double y) {
      const double x = y <= edge.y0 ? edge.x0 : y >= edge.y1 ? edge.x1 : edge.x0 + (y - edge.y0) * edge.slope;
      return floor_within(std::clamp(x, left, right), -1, columns_);
    };
    const int64_t first = floor_within(edge.y0, 0, bottom), last = floor_within(edge.y1, 0, bottom);
    int64_t column = column_at(static_cast<double>(first));
    for (int64_t row = first; row <= last; ++row) {
      const auto top = static_cast<double>(row);
      const int64_t next = column_at(top + 1);
      set_bits(static_cast<uint32_t>(row), std::min(column, next), std::max(column, next));
      if (edge.y0 <= top && top < edge.y1) {
        crossings_[crossing_end_[row]++] = static_cast<uint32_t>((column + 1) * 2 + (edge.down ? 1 : 0));
      }
      column = next;
    }
  }
}

// Sets the bits between crossings where the winding number is not zero. Any point of a row that is inside either sees
// an edge straight above it in the row, and its column is set already, or the row's upper side, inside there too.
void SpanBuilder::draw_inside() {
  uint32_t begin = 0;
  for (uint32_t row = 0; row < rows_; ++row) {
    const uint32_t end = crossing_end_[row];
    std::sort(crossings_.begin() + begin, crossings_.begin() + end);
    int winding = 0;
    int64_t first = 0;
    for (uint32_t i = begin; i < end; ++i) {
      const int64_t column = int64_t{crossings_[i] / 2} - 1;
      if (winding == 0) first = column;
      winding += crossings_[i] % 2 == 1 ? 1 : -1;
      if (winding == 0) set_bits(row, first, column);
    }
    begin = end;
  }
}

// Sets columns [first, last] of the row, as far as the bitmap has them, and as many to each side as they are widened.
void SpanBuilder::set_bits(uint32_t row, int64_t first, int64_t last) {
  const int64_t end = int64_t{columns_} - 1;
  if (last < 0 || first > end) return;
  first = std::max<int64_t>(std::max<int64_t>(first, 0) - widen_columns_, 0);
  last = std::min(std::min(last, end) + widen_columns_, end);
  uint64_t* words = &bits_[size_t{row} * words_];
  const auto word = static_cast<uint32_t>(first / kWordBits), end_word = static_cast<uint32_t>(last / kWordBits);
  const uint64_t head = ~uint64_t{0} << first % kWordBits;
  const uint64_t tail = ~uint64_t{0} >> (kWordBits - 1 - last % kWordBits);
  if (word == end_word) {
    words[word] |= head & tail;
    return;
  }
  words[word] |= head;
  for (uint32_t i = word + 1; i < end_word; ++i) words[i] = ~uint64_t{0};
  words[end_word] |= tail;
}

void SpanBuilder::widen_rows(uint32_t count) {
  count = std::min(count, rows_);
  uint64_t* bits = bits_.data();
  double_up(count, [&](uint32_t by) {
    for (size_t row = rows_; row-- > by;) or_into(bits + row * words_, bits + (row - by) * words_, words_);
  });
  double_up(count, [&](uint32_t by) {
    for (size_t row = 0; row + by < rows_; ++row) or_into(bits + row * words_, bits + (row + by) * words_, words_);
  });
}

void SpanBuilder::extract(RowSpans& into) const {
  into.pair_begin_.clear();
  into.spans_.clear();
  into.pair_begin_.push_back(0);
  for (uint32_t row = 0; row < rows_; ++row) {
    const uint64_t* words = bits_.data() + size_t{row} * words_;
    for (uint32_t at = find_bit(words, 0, columns_, true); at < columns_;) {
      const uint32_t end = find_bit(words, at, columns_, false);
      into.spans_.push_back({at * 2, std::min(end * 2, into.width_)});
      at = find_bit(words, end, columns_, true);
    }
    into.pair_begin_.push_back(static_cast<uint32_t>(into.spans_.size()));
  }
}

}  // namespace vigie::mask
