// A YAML 1.2 file that a person wrote: texts, lists, and mappings of them, each of which can say
// where it stands. The only room with libfyaml.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

struct fy_document;
struct fy_node;

namespace backstay::yaml {

class Document;
struct Pair;

// What a node is. A value that is missing, or is written as nothing, is kNothing.
enum class Kind : std::uint8_t { kNothing, kText, kList, kMapping };

// Where a node begins, from 1; 0 where that is not known.
struct Mark {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

// Which signs a file may have. kPlain are those that settings of machines need; kWritten is all
// text without control characters, so that patterns and names of any language can be written.
enum class Signs : std::uint8_t { kPlain, kWritten };

// Lives as long as its document; the failures of all methods are invalid_argument with
// "FILE:LINE:COLUMN: what" and the document's hint. `what` is what a message calls the node.
class Node {
 public:
  [[nodiscard]] std::unexpected<Error> wrong(std::string_view what) const;
  // 1 to 4,096 bytes.
  Result<std::string_view> text(std::string_view what) const;
  Result<std::uint32_t> number(std::string_view what, std::uint32_t max) const;
  // The same of any length up to 64 KiB, also none.
  Result<std::string_view> words(std::string_view what) const;
  [[nodiscard]] Kind kind() const;
  [[nodiscard]] Mark mark() const;
  // Whether a text stands in quotes, or as a block: then it is no number and no truth.
  [[nodiscard]] bool is_quoted() const;
  // true or false, in small letters.
  Result<bool> truth(std::string_view what) const;
  // What stands in a mapping, in the order of the file. No key comes twice.
  Result<void> for_each_pair(std::string_view what,
                             const std::function<Result<void>(const Pair&)>& each) const;
  Result<void> for_each_item(std::string_view what,
                             const std::function<Result<void>(const Node&)>& each) const;

 private:
  friend class Document;
  Node(const Document& document, fy_node* node) : document_(&document), node_(node) {}
  [[nodiscard]] std::string place() const;

  const Document* document_;
  fy_node* node_;  // null for a value that is missing
};

struct Pair {
  Node key_node;
  std::string_view key;
  Node value;
  // There is no such key; the nearest of those that there are is offered.
  [[nodiscard]] std::unexpected<Error> unknown(std::string_view of,
                                               const std::vector<std::string>& known) const;
};

class Document {
 public:
  // `path` and `hint` are for messages. invalid_argument for what is no YAML, and for signs that no
  // file of settings needs (see the .cc). Of several documents in one file none is taken.
  static Result<Document> parse(std::string_view text, std::string_view path, std::string hint,
                                Signs signs = Signs::kPlain);

  [[nodiscard]] Node root() const;
  // Something about the file as a whole.
  [[nodiscard]] std::unexpected<Error> wrong(std::string_view what) const;

 private:
  friend class Node;
  struct Deleter {
    void operator()(fy_document* document) const;
  };
  Document(std::string_view path, std::string hint) : path_(path), hint_(std::move(hint)) {}

  std::string path_;
  std::string hint_;
  std::unique_ptr<fy_document, Deleter> document_;
};

}  // namespace backstay::yaml
