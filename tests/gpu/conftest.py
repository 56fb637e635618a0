from triton_tests import left_out

collect_ignore_glob = left_out()
