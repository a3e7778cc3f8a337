"""Several programs at one repository at once: nobody is locked out."""
import os
import shutil

import program


class Writers(program.ProgramTest):
    def sources(self, count):
        made = []
        shared = os.urandom(2_000_000)
        for i in range(count):
            folder = self.folder / f"source{i}"
            folder.mkdir()
            (folder / "shared").write_bytes(shared)
            (folder / "own").write_bytes(os.urandom(1_000_000))
            made.append(folder)
        return made

    def assert_all_end_with_0(self, processes):
        for process in processes:
            out, err = process.communicate(timeout=200)
            self.assertEqual(process.returncode, 0, (out + err).decode())

    def test_backups_at_once_all_succeed_and_all_restore(self):
        self.init()
        sources = self.sources(4)
        for _ in range(3):
            self.assert_all_end_with_0([self.start("backup", source) for source in sources])
            for source in sources:
                (source / "own").write_bytes(os.urandom(1_000_000))
        self.assertEqual(len(self.objects("snapshots")), 12)
        self.assertEqual(self.objects("leases"), {})
        self.assert_checked()
        for source in sources:
            self.backup(source)
            self.remove(self.target)
            self.run_for(0, "restore", "latest", "--target", self.target)
            self.assert_same_tree(source, str(self.target) + str(source))

    def test_backups_of_one_source_at_once_all_succeed(self):
        self.fill(60)
        self.init()
        self.assert_all_end_with_0([self.start("backup", self.source) for _ in range(4)])
        self.assert_checked()
        self.assert_same_tree(self.source, self.restore())

    def test_readers_work_while_a_backup_runs(self):
        self.fill(60)
        self.init()
        self.backup()
        (self.source / "more").write_bytes(os.urandom(30 << 20))
        writer = self.start("backup", self.source)
        while writer.poll() is None:
            self.run_for(0, "snapshots")
            self.run_for(0, "check")
        self.assert_all_end_with_0([writer])

    def test_two_programs_that_make_one_repository_leave_one_that_works(self):
        for _ in range(5):
            shutil.rmtree(self.repository, ignore_errors=True)
            makers = [self.start("init") for _ in range(3)]
            codes = []
            for maker in makers:
                maker.communicate(timeout=100)
                codes.append(maker.returncode)
            self.assertEqual(codes.count(0), 1, codes)
            self.run_for(0, "check")

    def test_many_small_backups_leave_few_index_runs(self):
        self.init()
        for i in range(30):
            (self.source / "file").write_bytes(b"%d" % i)
            self.backup()
        self.assertLessEqual(len(self.objects("index")), 64)
        self.assert_checked()


if __name__ == "__main__":
    program.main()
