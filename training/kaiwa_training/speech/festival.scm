;; Says every utterance of a batch: one wave file each, and its segments' and tokens' times.
;; Called by festival.py, which appends one (kaiwa_say ...) for each utterance.

(define (kaiwa_voice name) (eval (list (intern (string-append "voice_" name)))))

(define (kaiwa_say text wave stretch pitch_hz)
  (Parameter.set 'Duration_Stretch stretch)
  (if (> pitch_hz 0)
      (set! int_lr_params
            (cons (list 'target_f0_mean pitch_hz)
                  (cons '(target_f0_std 14) '((model_f0_mean 170) (model_f0_std 34))))))
  (let ((utterance (eval (list 'Utterance 'Text text))))
    (utt.synth utterance)
    (utt.save.wave utterance wave 'riff)
    (mapcar (lambda (segment)
              (format t "segment %s %f\n" (item.name segment) (item.feat segment "end")))
            (utt.relation.items utterance 'Segment))
    (mapcar (lambda (token)
              (format t "token %s\n"
                      (item.feat token
                        "daughter1.R:SylStructure.daughter1.daughter1.segment_start")))
            (kaiwa_tokens utterance))
    (format t "done\n")))

(define (kaiwa_tokens utterance)
  (let ((tops nil) (token (utt.relation.first utterance 'Token)))
    (while token
      (set! tops (cons token tops))
      (set! token (item.next token)))
    (reverse tops)))
