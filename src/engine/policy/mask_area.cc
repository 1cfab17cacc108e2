#include "policy/mask_area.h"

#include <algorithm>
#include <vector>

namespace vigie::policy {
namespace {

// A space cut into cells.
struct Grid {
  int columns, rows;
  bool wraps;  // the last column's neighbour is the first
  double left, bottom, cells_per_x, cells_per_y;
};
constexpr Grid kPicture{1024, 1024, false, 0, 0, 1024, 1024};
constexpr Grid kWorld{1440, 720, true, -360, -90, 4, 4};
// What is compared against is taken larger by so many cells, so that rounding never makes a report.
constexpr double kRounding = 1e-6;

// std::floor is a call on machines without SSE 4.1, and this is all that takes time here. `value` is above -4096.
int whole(double value) { return static_cast<int>(value + 4096) - 4096; }

const Grid& grid_of(MaskSpace space) { return space == MaskSpace::picture ? kPicture : kWorld; }

// An edge in cells, from its lower end to its upper one, and the rows that it touches.
struct Edge {
  double x, y, top_x, top_y, slope;
  int first_row, last_row;

  double x_at(double at_y) const {
    if (at_y <= y) return x;
    return at_y >= top_y ? top_x : x + (at_y - y) * slope;
  }
};

std::vector<Edge> edges_of(const std::vector<MaskPoint>& polygon, const Grid& grid, double grow) {
  const auto row_of = [&](double y) { return std::clamp(whole(y), 0, grid.rows - 1); };
  std::vector<Edge> edges;
  edges.reserve(polygon.size());
  for (size_t i = 0; i < polygon.size(); ++i) {
    MaskPoint a = polygon[i], b = polygon[i + 1 == polygon.size() ? 0 : i + 1];
    if (a.y > b.y) std::swap(a, b);
    const double x = (a.x - grid.left) * grid.cells_per_x, top_x = (b.x - grid.left) * grid.cells_per_x;
    const double y = (a.y - grid.bottom) * grid.cells_per_y, top_y = (b.y - grid.bottom) * grid.cells_per_y;
    const double slope = top_y > y ? (top_x - x) / (top_y - y) : 0;
    edges.push_back({x, y, top_x, top_y, slope, row_of(y - grow), row_of(top_y + grow)});
  }
  return edges;
}

// Calls mark(row, first column, last column) for runs of cells that together are those the polygon touches; a cell may
// come several times.
template <class Mark>
void for_touched(const std::vector<MaskPoint>& polygon, const Grid& grid, double grow, const Mark& mark) {
  const std::vector<Edge> edges = edges_of(polygon, grid, grow);
  const auto mark_cells = [&](int row, double from, double to) {
    int first = whole(from), last = whole(to);
    if (grid.wraps) {
      const int turns = (first + grid.columns) / grid.columns - 1;  // from -360 degrees on, and a little before
      first -= turns * grid.columns;
      last -= turns * grid.columns;
      for (; last >= grid.columns; last -= grid.columns, first = 0) mark(row, first, grid.columns - 1);
    }
    mark(row, std::clamp(first, 0, grid.columns - 1), std::clamp(last, 0, grid.columns - 1));
  };
  int first_row = grid.rows, last_row = -1;
  for (const Edge& edge : edges) {
    first_row = std::min(first_row, edge.first_row);
    last_row = std::max(last_row, edge.last_row);
  }
  std::vector<double> crossings;  // of the row's middle line: the cells between them are filled
  for (int row = first_row; row <= last_row; ++row) {
    const double middle = row + 0.5;
    crossings.clear();
    for (const Edge& edge : edges) {
      if (row < edge.first_row || row > edge.last_row) continue;
      // One that lies flat is in the row as a whole.
      const double one = edge.slope == 0 ? edge.x : edge.x_at(row - grow);
      const double other = edge.slope == 0 ? edge.top_x : edge.x_at(row + 1 + grow);
      mark_cells(row, std::min(one, other) - grow, std::max(one, other) + grow);
      if (edge.y <= middle && middle < edge.top_y) crossings.push_back(edge.x_at(middle));
    }
    std::sort(crossings.begin(), crossings.end());
    for (size_t i = 0; i + 1 < crossings.size(); i += 2) mark_cells(row, crossings[i], crossings[i + 1]);
  }
}

// How many marks each cell has from the regions of one set that are in force.
class Cover {
 public:
  // Only the rows from `first_row` to `last_row` are looked at.
  Cover(const Grid& grid, double grow, int first_row, int last_row)
      : grid_(grid),
        grow_(grow),
        first_row_(first_row),
        last_row_(last_row),
        marks_(static_cast<size_t>(grid.columns) * static_cast<size_t>(last_row - first_row + 1)) {}

  void add(const MaskRegion& region, int32_t sign) {
    for_touched(region.points, grid_, grow_, [&](int row, int first, int last) {
      if (row < first_row_ || row > last_row_) return;
      for (size_t i = cell(row, first); i <= cell(row, last); ++i) marks_[i] += sign;
    });
  }
  bool holds(const Cover& other) const {
    for (size_t i = 0; i < marks_.size(); ++i) {
      if (other.marks_[i] > 0 && marks_[i] == 0) return false;
    }
    return true;
  }
  bool holds(const MaskRegion& region) const {
    bool all = true;
    for_touched(region.points, grid_, 0, [&](int row, int first, int last) {
      for (size_t i = cell(row, first); all && i <= cell(row, last); ++i) all = marks_[i] > 0;
    });
    return all;
  }

 private:
  size_t cell(int row, int column) const {
    return static_cast<size_t>(row - first_row_) * static_cast<size_t>(grid_.columns) + static_cast<size_t>(column);
  }
  const Grid& grid_;
  const double grow_;
  const int first_row_, last_row_;
  std::vector<int32_t> marks_;
};

WallTime begin_of(const MaskRegion& region) { return region.from.value_or(WallTime::min()); }
WallTime end_of(const MaskRegion& region) { return region.until.value_or(WallTime::max()); }

bool in_force(const MaskRegion& region, WallTime at) { return begin_of(region) <= at && at < end_of(region); }

// The same place, for at least as long: the common case, which needs no cells.
bool stays(const MaskRegion& region, const MaskSetPolicy& after) {
  return std::any_of(after.regions.begin(), after.regions.end(), [&](const MaskRegion& other) {
    return other.space == region.space && other.points == region.points && begin_of(other) <= begin_of(region) &&
           end_of(other) >= end_of(region);
  });
}

using Regions = std::vector<const MaskRegion*>;

std::optional<std::string> left_open(const Regions& before, const Regions& after, const Grid& grid) {
  // What is hidden changes only where a region begins or ends.
  std::vector<WallTime> instants;
  for (const Regions* regions : {&before, &after}) {
    for (const MaskRegion* region : *regions) {
      instants.push_back(begin_of(*region));
      instants.push_back(end_of(*region));
    }
  }
  std::sort(instants.begin(), instants.end());
  instants.erase(std::unique(instants.begin(), instants.end()), instants.end());

  int first_row = grid.rows - 1, last_row = 0;
  for (const MaskRegion* region : before) {
    for_touched(region->points, grid, 0, [&](int row, int, int) {
      first_row = std::min(first_row, row);
      last_row = std::max(last_row, row);
    });
  }
  Cover hidden(grid, 0, first_row, last_row), hiding(grid, kRounding, first_row, last_row);
  const auto begins = [](const MaskRegion& region, WallTime at) { return begin_of(region) == at; };
  const auto ends = [](const MaskRegion& region, WallTime at) { return end_of(region) == at; };
  const auto step = [](const Regions& regions, auto chosen, WallTime at, Cover& cover, int32_t sign) {
    bool any = false;
    for (const MaskRegion* region : regions) {
      if (!chosen(*region, at)) continue;
      cover.add(*region, sign);
      any = true;
    }
    return any;
  };
  for (const WallTime at : instants) {
    step(before, ends, at, hidden, -1);
    step(after, begins, at, hiding, 1);
    const bool more_to_hide = step(before, begins, at, hidden, 1);
    const bool less_hiding = step(after, ends, at, hiding, -1);
    if (!(more_to_hide || less_hiding) || hiding.holds(hidden)) continue;
    for (const MaskRegion* region : before) {
      if (in_force(*region, at) && !hiding.holds(*region)) return region->name;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> region_left_open(const MaskSetPolicy& before, const MaskSetPolicy& after) {
  for (const MaskSpace space : {MaskSpace::picture, MaskSpace::world}) {
    Regions hidden, hiding;
    for (const MaskRegion& region : before.regions) {
      if (region.space == space && !stays(region, after)) hidden.push_back(&region);
    }
    if (hidden.empty()) continue;
    for (const MaskRegion& region : after.regions) {
      if (region.space == space) hiding.push_back(&region);
    }
    if (auto name = left_open(hidden, hiding, grid_of(space))) return name;
  }
  return std::nullopt;
}

bool has_world_region(const MaskSetPolicy& masks) {
  return std::any_of(masks.regions.begin(), masks.regions.end(),
                     [](const MaskRegion& region) { return region.space == MaskSpace::world; });
}

bool trusts_more(const std::optional<DomePolicy>& before, const std::optional<DomePolicy>& after) {
  if (!before || !after) return false;  // without a dome there are no world regions: their own loss is seen
  return after->calibration_error < before->calibration_error || after->zoom_error < before->zoom_error ||
         after->max_speed > before->max_speed || after->max_age_moving > before->max_age_moving ||
         after->max_age_idle > before->max_age_idle || after->mount_roll != before->mount_roll ||
         after->mount_tilt != before->mount_tilt;
}

int openness(const CameraPolicy& camera) {
  switch (camera.privacy) {
    case Privacy::withheld: return 0;
    case Privacy::masked: return camera.masks ? 1 : 0;
    case Privacy::masked_at_source: return camera.masks ? 2 : 0;
    case Privacy::clear: return 3;
  }
  return 0;
}

bool hides_less(const CameraPolicy& before, const CameraPolicy& after) {
  if (openness(after) == 0) return false;
  const bool was_masked = before.privacy == Privacy::masked || before.privacy == Privacy::masked_at_source;
  if (after.privacy == Privacy::clear && (was_masked || before.masks)) return true;
  const bool trusted = trusts_more(before.dome, after.dome);
  const auto less = [&](const MaskSetPolicy& old_set, const MaskSetPolicy& new_set) {
    return (trusted && has_world_region(old_set)) || region_left_open(old_set, new_set).has_value();
  };
  if (before.masks && after.masks && less(*before.masks, *after.masks)) return true;
  return std::any_of(before.versions.begin(), before.versions.end(), [&](const MaskVersionPolicy& version) {
    const auto same_name = [&](const MaskVersionPolicy& other) { return other.name == version.name; };
    const auto other = std::find_if(after.versions.begin(), after.versions.end(), same_name);
    return other != after.versions.end() && less(version.masks, other->masks);
  });
}

}  // namespace vigie::policy
