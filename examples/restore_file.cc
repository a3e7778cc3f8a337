// restore_file REPOSITORY SNAPSHOT PATH FOLDER: brings one file back into a folder.
#include "access.h"

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "restore_file REPOSITORY SNAPSHOT PATH FOLDER\n";
    return 2;
  }
  auto repository = backstay::Repository::open(access_to(argv[1]));
  if (!repository) return failed(repository.error());
  auto view = repository->view(argv[2]);
  if (!view) return failed(view.error());

  // What stands there already is left alone, and the bytes are read back and compared.
  const auto restored = view->restore({.target = argv[4],
                                       .subpath = argv[3],
                                       .existing = backstay::Existing::kLeave,
                                       .verify = true});
  if (!restored) return failed(restored.error());
  std::cout << restored->files_restored << " restored, " << restored->bytes_written << " bytes\n";
  return restored->errors == 0 ? 0 : 3;
}
