#include "mask/opaque_check.h"

#include <algorithm>
#include <utility>

namespace vigie::mask {
namespace {

constexpr size_t kLeastCells = 16;  // of 2 x 2 luma samples
constexpr uint32_t kMarginParts = 8;

// A picture's cells of 2 x 2 luma samples, each inside a region or not.
struct Cells {
  uint32_t columns = 0, rows = 0;
  std::vector<uint8_t> inside;

  explicit Cells(const RowSpans& spans)
      : columns(spans.width() / 2), rows(spans.height() / 2), inside(size_t{columns} * rows) {
    for (uint32_t y = 0; y < rows; ++y) {
      for (const Span& span : spans.row(2 * y)) {
        std::fill(&inside[size_t{y} * columns + span.begin / 2], inside.data() + size_t{y} * columns + span.end / 2, 1);
      }
    }
  }
};

// Keeps of a line of `count` cells, `step` apart, those whose neighbours up to `margin` away are inside as well. What
// is beyond the picture's edge counts as inside.
void shrink_line(uint8_t* line, size_t step, uint32_t count, uint32_t margin, std::vector<uint32_t>& outside) {
  outside.assign(size_t{count} + 1, 0);  // cells that are not inside, before each
  for (uint32_t i = 0; i < count; ++i) outside[i + 1] = outside[i] + (line[i * step] == 0 ? 1 : 0);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t from = i - std::min(i, margin), to = std::min(i + margin + 1, count);
    line[i * step] = outside[to] == outside[from] ? 1 : 0;
  }
}

void shrink_cells(Cells& cells, Widening margin) {
  std::vector<uint32_t> scratch;
  for (uint32_t y = 0; y < cells.rows; ++y) {
    shrink_line(&cells.inside[size_t{y} * cells.columns], 1, cells.columns, margin.x / 2, scratch);
  }
  for (uint32_t x = 0; x < cells.columns; ++x) {
    shrink_line(&cells.inside[x], cells.columns, cells.rows, margin.y / 2, scratch);
  }
}

struct Range {
  uint8_t least = 255, most = 0;
  void add(const uint8_t* from, const uint8_t* to) {
    for (; from != to; ++from) {
      least = std::min(least, *from);
      most = std::max(most, *from);
    }
  }
  int spread() const { return most - least; }
};

}  // namespace

OpaqueCheck::OpaqueCheck(std::vector<policy::MaskRegion> regions, OpaqueTolerance tolerance)
    : regions_(std::move(regions)), tolerance_(tolerance) {}

std::vector<OpaqueCheck::Run> OpaqueCheck::inside(const policy::MaskRegion& region, const PictureSituation& picture) {
  builder_.clear();
  builder_.add_polygon(region.points);
  const Cells whole(builder_.build(picture.format.width, picture.format.height));
  const Widening block = widening_for(picture.codec, picture.interlaced);
  for (uint32_t part = 1; part <= kMarginParts; part *= 2) {
    Cells cells = whole;
    shrink_cells(cells, {block.x / part, block.y / part});
    if (std::ranges::count(cells.inside, 1) < static_cast<ptrdiff_t>(kLeastCells)) continue;
    std::vector<Run> runs;
    for (uint32_t y = 0; y < cells.rows; ++y) {
      const auto begin = cells.inside.begin() + static_cast<ptrdiff_t>(size_t{y} * cells.columns);
      const auto end = begin + cells.columns;
      for (auto at = std::find(begin, end, 1); at != end;) {
        const auto stop = std::find(at, end, 0);
        runs.push_back({y, static_cast<uint32_t>(at - begin), static_cast<uint32_t>(stop - begin)});
        at = std::find(stop, end, 1);
      }
    }
    return runs;
  }
  return {};
}

bool OpaqueCheck::is_one_colour(const Frame& frame, const std::vector<Run>& runs) const {
  Range luma, u, v;
  for (const Run& run : runs) {
    for (const uint32_t y : {2 * run.row, 2 * run.row + 1}) {
      luma.add(frame.row(0, y) + 2 * size_t{run.begin}, frame.row(0, y) + 2 * size_t{run.end});
    }
    u.add(frame.row(1, run.row) + run.begin, frame.row(1, run.row) + run.end);
    v.add(frame.row(2, run.row) + run.begin, frame.row(2, run.row) + run.end);
  }
  return luma.spread() <= tolerance_.luma && u.spread() <= tolerance_.chroma && v.spread() <= tolerance_.chroma;
}

std::optional<std::string> OpaqueCheck::fault(const Frame& frame, const PictureSituation& picture) {
  if (!drawn_for_ || !same_grid(*drawn_for_, picture)) {
    runs_.clear();
    for (const policy::MaskRegion& region : regions_) runs_.push_back(inside(region, picture));
    drawn_for_ = picture;
  }
  for (size_t i = 0; i < regions_.size(); ++i) {
    if (!in_force(regions_[i], picture.arrival)) continue;
    if (runs_[i].empty()) return "the camera's own mask is too small to be proved: region " + regions_[i].name;
    if (!is_one_colour(frame, runs_[i])) return "the camera's own mask is not there: region " + regions_[i].name;
  }
  return std::nullopt;
}

}  // namespace vigie::mask
