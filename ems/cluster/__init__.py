"""The dialogue with the GPU scheduler: the EMS owns the power envelope, the cluster owns the jobs."""
