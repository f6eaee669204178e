"""What each call of the API does, in Chinese; the English is the docstring of its function."""

from __future__ import annotations

PROJECT = "/api/v1/projects/{project_id}"

OPERATIONS_ZH = {
    "GET /health": "服务已启动。",
    "GET /ready": "服务已启动，数据库有响应，且数据表齐全。",
    "GET /api/v1/projects": "您可查看的项目；企业只能看到自己的项目。",
    "POST /api/v1/projects": "登记项目。\n\n设备须已为同一企业注册，且对所发数据签名；企业只能登记自己的项目。",
    f"GET {PROJECT}": "单个项目。",
    f"GET {PROJECT}/coverage": "各测点已存储的读数个数，以及首末读数的数据源时间。",
    f"POST {PROJECT}/plan": "报备方案，并与截至目前采集的基准期数据一并锁定。\n\n"
    "两者同时写入日志，方案在前。再次提交完全相同的内容不产生变化（200）；内容不同则成为新的版本，与首个版本并存，"
    "不会将其取代。方案有误时拒绝受理并指明所在行；基准期中的异常作为发现返回。",
    f"GET {PROJECT}/plan": "现行方案及其在日志中的位置。",
    f"GET {PROJECT}/plan.yaml": "现行方案，与报备时逐字节相同。",
    f"POST {PROJECT}/runs": "用目前已存储的读数核算现行方案，生成证据包，并将本次核算写入日志。\n\n"
    "每次核算都计数并保留，无法反复试算直至得到满意的数值。",
    f"GET {PROJECT}/runs": "本项目的全部核算，最新的在前。",
    f"GET {PROJECT}/runs/{{number}}": "单次核算：结论、变化量及其不确定度、发现。",
    f"GET {PROJECT}/runs/{{number}}/result": "引擎的结果，与证据包中的文件逐字节相同（docs/reference/result.md）。",
    f"GET {PROJECT}/runs/{{number}}/findings": "核查发现及解决办法，中英文对照。",
    f"GET {PROJECT}/runs/{{number}}/package.zip": "证据包，供 `retroproof check` 核验。\n\n"
    "专家或审计人员的下载会记入日志。",
    "GET /api/v1/log/checkpoint": "日志的条目数与根哈希，即时签名（C2SP tlog-checkpoint）。"
    "请妥善保存：此后的日志必须与之一致。",
    "GET /api/v1/log/entries": "自 `start` 起的日志条目。",
    "GET /api/v1/log/inclusion/{index}": "条目 `index` 在日志中的证明，以及用于比对的检查点。",
    "GET /api/v1/log/consistency/{old_size}": "证明您所存检查点对应的 `old_size` 条日志是当前日志的开头部分。",
    "GET /api/v1/keys": "公钥，即 `retroproof check --trust` 所读的信任文件，含您各项目的设备。\n\n"
    "请获取一次并妥善保存；重要场合请通过电话或书面核对指纹。",
}
