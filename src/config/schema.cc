#include <array>

#include "config/rule.h"
#include "json/json.h"

namespace backstay::config {
namespace {

using json::Json;
using Kind = Rule::Kind;

Json scalar() {
  Json one;
  one["type"] = {"string", "number"};
  return one;
}

Json list_of(Json item) {
  Json list;
  list["type"] = "array";
  list["items"] = std::move(item);
  return list;
}

// Nothing below a key is as good as no key.
Json map_of(const Rule& rule) {
  Json map;
  map["type"] = {"object", "null"};
  map["properties"] = Json::object();
  for (const auto& [key, below] : rule.keys) map["properties"][key] = schema_of(below);
  map["additionalProperties"] = false;
  return map;
}

Json any_of(std::vector<Json> ways) {
  Json any;
  any["anyOf"] = std::move(ways);
  return any;
}

Json texts() {
  return any_of({scalar(), list_of(scalar())});
}

Json named(Json value, std::string_view pattern) {
  Json names;
  names["type"] = {"object", "null"};
  names["patternProperties"][std::string(pattern)] = std::move(value);
  names["additionalProperties"] = false;
  return names;
}

Json reference() {
  Json text;
  text["type"] = "string";
  text["pattern"] = "^(env|file|command):.";
  return text;
}

Json form_of(const Rule& rule) {
  switch (rule.kind) {
    case Kind::kText:
      return scalar();
    case Kind::kTexts:
      return texts();
    case Kind::kFlag:
      return {{"type", "boolean"}};
    case Kind::kReference:
      return reference();
    case Kind::kVariables:
      return named(scalar(), "^[A-Za-z_][A-Za-z0-9_]*$");
    case Kind::kMap:
      return map_of(rule);
    case Kind::kNames:
      return named(map_of(rule), "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$");
    case Kind::kCopies:
      return list_of(map_of(rule));
    case Kind::kHook:
      return any_of({scalar(), list_of(scalar()), map_of(rule)});
    case Kind::kSchedule:
      return any_of({scalar(), map_of(rule)});
    case Kind::kSection:
      return any_of({map_of(rule), {{"const", false}}});
  }
  return {};
}

}  // namespace

Json schema_of(const Rule& rule) {
  Json schema;
  if (!rule.help.empty()) schema["description"] = rule.help;
  schema.update(form_of(rule));
  if (!rule.examples.empty()) schema["examples"] = rule.examples;
  return schema;
}

}  // namespace backstay::config
