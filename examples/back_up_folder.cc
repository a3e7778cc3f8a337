// back_up_folder REPOSITORY FOLDER: backs up a folder, into a new repository where there is none.
#include "access.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "back_up_folder REPOSITORY FOLDER\n";
    return 2;
  }
  const backstay::Access access = access_to(argv[1]);
  auto repository = backstay::Repository::open(access);
  if (!repository && repository.error().code() == backstay::ErrorCode::kNoRepository)
    repository = backstay::Repository::init(access);
  if (!repository) return failed(repository.error());

  const backstay::Watch watch{.trouble =
                                  [](const std::string& path, const backstay::Error& error) {
                                    std::cerr << path << ": " << error.describe() << '\n';
                                  },
                              .progress =
                                  [](const backstay::Progress& progress) {
                                    std::cerr << progress.files_done << " files, "
                                              << progress.bytes_done << " bytes\r";
                                  }};
  const auto made = repository->back_up({.paths = {argv[2]}}, watch);
  if (!made) return failed(made.error());
  std::cout << made->snapshot->id << '\n';
  std::cerr << made->files_new << " new, " << made->files_changed << " changed, "
            << made->files_unmodified << " unmodified, " << made->errors << " not read\n";
  return made->errors == 0 ? 0 : 3;
}
