#pragma once
// The elements of a list by their names, which the list keeps: it has to outlive what is made.
#include <string_view>
#include <unordered_map>

namespace vigie::policy {

// Of several of one name, the first.
template <class List>
auto by_name(const List& list) {
  std::unordered_map<std::string_view, const typename List::value_type*> map;
  map.reserve(list.size());
  for (const auto& item : list) map.emplace(item.name, &item);
  return map;
}

// Null: none of this name.
template <class T>
const T* find(const std::unordered_map<std::string_view, const T*>& map, std::string_view name) {
  const auto it = map.find(name);
  return it == map.end() ? nullptr : it->second;
}

}  // namespace vigie::policy
