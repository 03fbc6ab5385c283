"""TRL's GRPO repeats prompts, and is given them in the order of a curriculum with their groups whole."""

from __future__ import annotations

import pytest
from datasets import Dataset

from ladle_curriculum.curriculum import Curriculum
from ladle_curriculum.measures import Length


@pytest.mark.slow
def test_grpo_trains_on_short_prompts_first(setting, bert, tmp_path):
    import transformers
    import trl
    from torch.utils.data import BatchSampler, DataLoader

    generated: list[list[str]] = []

    def reward(prompts, completions, **_):
        generated.append(prompts)
        return [float(len(completion)) for completion in completions]

    class InOrder(trl.GRPOTrainer):
        def get_train_dataloader(self):
            def inner(rows):
                size = self._train_batch_size * self.args.steps_per_generation
                return BatchSampler(self._get_train_sampler(rows), size, drop_last=False)

            technique = Curriculum(difficulty=Length(column="prompt"), start=0.2).within(setting(epochs=2))
            sampler = technique.sampler(inner, self.train_dataset)
            return self.accelerator.prepare(DataLoader(self.train_dataset, batch_sampler=sampler, collate_fn=list))

    tokenizer = transformers.AutoTokenizer.from_pretrained(bert)
    tokenizer.eos_token = tokenizer.sep_token
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        pad_token_id=0, eos_token_id=3,
    )  # fmt: skip
    arguments = trl.GRPOConfig(
        str(tmp_path), per_device_train_batch_size=6, gradient_accumulation_steps=2, num_generations=3,
        max_completion_length=3, num_iterations=2, num_train_epochs=2, use_cpu=True, report_to=[], disable_tqdm=True,
        save_strategy="no", logging_steps=1,
    )  # fmt: skip
    prompts = [" ".join(["day"] * words) for words in (7, 1, 12, 3, 5, 2, 8, 4, 11, 6, 10, 9)]
    trainer = InOrder(
        transformers.LlamaForCausalLM(config),
        reward_funcs=reward,
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        processing_class=tokenizer,
    )
    trainer.train()
    assert trainer.state.global_step == trainer.state.max_steps == 2 * 3 * 2
    groups = [[batch[at : at + 3] for at in range(0, 12, 3)] for batch in generated]
    assert all(len(set(group)) == 1 for batch in groups for group in batch)
    words = [[len(group[0].split()) for group in batch] for batch in groups]
    assert len(words) == 6  # 4 prompts, for two iterations of two batches
    assert sorted(words[0]) == [1, 2, 3, 4]
    assert max(words[1]) < 12
    assert sorted(words[3] + words[4] + words[5]) == list(range(1, 13))
