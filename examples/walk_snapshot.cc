// walk_snapshot REPOSITORY SNAPSHOT [FOLDER]: how many bytes there are of each kind of file.
#include <map>

#include "access.h"

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::cerr << "walk_snapshot REPOSITORY SNAPSHOT [FOLDER]\n";
    return 2;
  }
  auto repository = backstay::Repository::open(access_to(argv[1]));
  if (!repository) return failed(repository.error());
  auto view = repository->view(argv[2]);
  if (!view) return failed(view.error());

  std::map<std::string, std::uint64_t> sizes;  // by what follows the last dot of a name
  const auto walked = view->walk(argc == 4 ? argv[3] : "/", [&](const backstay::FileEntry& entry) {
    if (entry.type == backstay::FileType::kFile) {
      const std::string name = entry.path.substr(entry.path.rfind('/') + 1);
      const std::size_t dot = name.rfind('.');
      sizes[dot == std::string::npos ? "(none)" : name.substr(dot)] += entry.size;
    }
    return backstay::Result<void>();
  });
  if (!walked) return failed(walked.error());
  for (const auto& [ending, bytes] : sizes) std::cout << ending << '\t' << bytes << '\n';
  return 0;
}
