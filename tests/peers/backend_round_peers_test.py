"""The life of a repository (tests/e2e/backend_round.py) over stores that speak S3 and are large to
install: Ceph's gateway, with and without object lock, and OpenStack Swift."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import program  # noqa: E402
from backend_round import Story  # noqa: E402
from far_store import SERVERS  # noqa: E402

sys.path.insert(0, str(SERVERS))
import object_client  # noqa: E402

STARTED = {}


def peer(test, script):
    """Its port: one of each for all tests of this process, because they take long to start."""
    if script not in STARTED:
        folder = program.tempfile.mkdtemp(prefix="backstay-peer-")
        process = subprocess.Popen([SERVERS / script, folder], stdout=subprocess.PIPE, text=True)
        said = process.stdout.readline().split()
        STARTED[script] = int(said[1]) if said[:1] == ["ready"] else None
        program.unittest.addModuleCleanup(program.ProgramTest.remove, folder)
        program.unittest.addModuleCleanup(process.stdout.close)
        program.unittest.addModuleCleanup(process.wait)
        program.unittest.addModuleCleanup(process.terminate)
    if STARTED[script] is None:
        test.skipTest(f"{script}: scripts/dependencies peers brings what it needs")
    return STARTED[script]


class OverS3(Story):
    script, access, secret, bucket, query = "rgw.sh", "AKTEST", "SKTEST", "plain", ""
    append_only = "unsupported"

    def begin(self):
        self.real = self.port = peer(self, self.script)
        self.login = {"AWS_ACCESS_KEY_ID": self.access, "AWS_SECRET_ACCESS_KEY": self.secret,
                      "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
        self.prefix = f"re po/{self.id().rsplit('.', 1)[-1]}"
        self.client = object_client.S3(self.real, self.bucket, self.login)

    def url_at(self, port):
        prefix = self.prefix.replace(" ", "%20")
        return f"s3://{self.bucket}/{prefix}?endpoint=http://127.0.0.1:{port}{self.query}"

    def stored(self, prefix):
        return self.client.list(f"{self.prefix}/{prefix}")

    def lose(self, name):
        self.client.remove(name)

    def test_a_repository_lives_its_whole_life_there(self):
        self.live()

    def test_a_line_that_is_cut_over_and_over_is_enough(self):
        self.survive_cuts()


class CephGateway(OverS3, program.ProgramTest):
    pass


class CephGatewayWithLock(OverS3, program.ProgramTest):
    bucket, lock = "locked", "store"

    def begin(self):
        super().begin()
        self.client.call("PUT", x_amz_bucket_object_lock_enabled="true")


class Swift(OverS3, program.ProgramTest):
    """Of one node, so that its lists are not late."""
    script, access, secret, query = "swift.sh", "test:tester", "testing", "&lists=at-once"

    def is_pruned(self):
        self.assertIn(b"only one", self.run_for(0, "prune").err)
        super().is_pruned()


if __name__ == "__main__":
    program.main()
