#include "repo/generation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/record.h"
#include "base/try.h"

namespace backstay::repo {

Bytes encode_generation(const Generation& generation, const RepositoryId& repository) {
  Bytes record;
  RecordWriter out(record);
  out.number(1, generation.number);
  for (const ObjectId& pack : generation.condemned) out.bytes(2, pack.view());
  out.signed_number(3, generation.time.seconds);
  out.number(4, generation.time.nanos);
  return encode_plain_object(ObjectKind::kGeneration, repository, record);
}

Result<Generation> decode_generation(ByteView stored, const RepositoryId& repository) {
  const PlainObject object = TRY(decode_plain_object(ObjectKind::kGeneration, stored));
  if (object.header.repository != repository) {
    return fail(ErrorCode::kCorruption, "the generation belongs to another repository");
  }
  Generation generation;
  RecordReader reader(object.record);
  while (!reader.done()) {
    const Field field = TRY(reader.next());
    switch (field.number) {
      case 1:
        generation.number = field.value_number;
        break;
      case 2: {
        const auto pack = ObjectId::from_bytes(field.value_bytes);
        if (!pack)
          return fail(ErrorCode::kCorruption, "a condemned pack's name has a wrong length");
        generation.condemned.push_back(*pack);
        break;
      }
      case 3:
        generation.time.seconds = unzigzag(field.value_number);
        break;
      case 4:
        generation.time.nanos = static_cast<std::uint32_t>(field.value_number % 1'000'000'000);
        break;
      default:
        break;
    }
  }
  return generation;
}

Result<void> create_generation(backend::Backend& store, const Generation& generation,
                               const RepositoryId& repository) {
  return store.put(fmt::format("{}{:020}", name_prefix(ObjectKind::kGeneration), generation.number),
                   encode_generation(generation, repository));
}

Result<std::vector<Generation>> read_generations(backend::Backend& store,
                                                 const RepositoryId& repository) {
  std::vector<std::string> names;
  TRY(store.list(name_prefix(ObjectKind::kGeneration),
                 [&](const backend::ObjectInfo& info) -> Result<void> {
                   names.push_back(info.name);
                   return {};
                 }));
  std::ranges::sort(names);
  std::vector<Generation> generations;
  for (const std::string& name : names) {
    const Bytes stored = TRY(store.get(name, kPlainObjectMax));
    generations.push_back(TRY_DOING("reading " + name, decode_generation(stored, repository)));
  }
  return generations;
}

}  // namespace backstay::repo
